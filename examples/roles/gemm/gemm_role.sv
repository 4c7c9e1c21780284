// SPDX-License-Identifier: MIT
//
// out[8][8] int32 = a[8][k] * b[k][8], int8. `a` is stored by columns ([k][8]), so that each
// step reads eight bytes of either; k is at least 1.
module gemm_role (
    input  logic        clk,
    input  logic        rst_n,
    input  logic [15:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    /* verilator lint_off UNUSEDSIGNAL */
    input  logic [ 3:0] s_axil_wstrb,
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [15:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready,
    output logic        irq,
    output logic        m_mem_req_valid,
    input  logic        m_mem_req_ready,
    output logic        m_mem_req_write,
    output logic [63:0] m_mem_req_addr,
    output logic [63:0] m_mem_req_wdata,
    output logic [ 7:0] m_mem_req_wstrb,
    input  logic        m_mem_rsp_valid,
    input  logic [63:0] m_mem_rsp_rdata
);
  localparam int N = 8;
  logic start, finish;
  logic [223:0] arguments;
  /* verilator lint_off PINCONNECTEMPTY */
  axil_registers #(.Words(7)) registers (
      .clk, .rst_n,
      .awaddr(s_axil_awaddr), .awvalid(s_axil_awvalid), .awready(s_axil_awready),
      .wdata(s_axil_wdata), .wvalid(s_axil_wvalid), .wready(s_axil_wready),
      .bvalid(s_axil_bvalid), .bready(s_axil_bready),
      .araddr(s_axil_araddr), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
      .rdata(s_axil_rdata), .rvalid(s_axil_rvalid), .rready(s_axil_rready),
      .start, .finish, .busy(), .done(irq), .arguments
  );
  /* verilator lint_on PINCONNECTEMPTY */
  wire [63:0] a_base = arguments[63:0];
  wire [63:0] b_base = arguments[127:64];
  wire [63:0] out_base = arguments[191:128];
  wire [31:0] k = arguments[223:192];

  enum logic [1:0] {
    IDLE,
    STEPS,
    FLUSH,
    STORE
  } state;
  logic [31:0] asked, got; // words: a and b in turn
  logic [63:0] a_word;
  logic step;
  logic [63:0] column, row;
  logic [4:0] flushed;
  logic [5:0] stored, acknowledged;
  logic [N*N*32-1:0] sums;

  // Row i of A and column j of B come i and j steps later.
  logic [N*8-1:0] left, top;
  logic [63:0] a_late[N], b_late[N];
  always_comb
    for (int i = 0; i < N; i++) begin
      left[i*8+:8] = i == 0 ? column[7:0] : a_late[i-1][i*8+:8];
      top[i*8+:8]  = i == 0 ? row[7:0] : b_late[i-1][i*8+:8];
    end
  always_ff @(posedge clk)
    for (int i = 0; i < N; i++)
      if (start) begin
        a_late[i] <= '0;
        b_late[i] <= '0;
      end else if (step) begin
        a_late[i] <= i == 0 ? column : a_late[i-1];
        b_late[i] <= i == 0 ? row : b_late[i-1];
      end

  systolic #(.N(N)) array (.clk, .clear(start), .enable(step), .left, .top, .sums);

  always_comb begin
    m_mem_req_valid = state == STEPS && asked < 2 * k;
    m_mem_req_write = 1'b0;
    m_mem_req_addr  = (asked[0] ? b_base : a_base) + {30'b0, asked[31:1], 3'b0};
    m_mem_req_wdata = sums[32'(stored)*64+:64];
    m_mem_req_wstrb = 8'hff;
    if (state == STORE) begin
      m_mem_req_valid = stored < 6'd32;
      m_mem_req_write = 1'b1;
      m_mem_req_addr  = out_base + {55'b0, stored, 3'b0};
    end
  end

  always_ff @(posedge clk) begin
    finish <= 1'b0;
    step <= 1'b0;
    if (!rst_n) state <= IDLE;
    else if (start) begin
      state <= STEPS;
      asked <= '0;
      got <= '0;
      flushed <= '0;
      stored <= '0;
      acknowledged <= '0;
    end else
      case (state)
        STEPS: begin
          if (m_mem_req_valid && m_mem_req_ready) asked <= asked + 32'd1;
          if (m_mem_rsp_valid) begin
            got <= got + 32'd1;
            if (!got[0]) a_word <= m_mem_rsp_rdata;
            else begin
              column <= a_word;
              row <= m_mem_rsp_rdata;
              step <= 1'b1;
            end
          end
          if (got == 2 * k && !step) begin
            column <= '0;
            row <= '0;
            state <= FLUSH;
          end
        end
        FLUSH: begin // what is still on its way through the array
          step <= flushed < 5'd16;
          flushed <= flushed + 5'd1;
          if (flushed == 5'd18) state <= STORE;
        end
        STORE: begin
          if (m_mem_req_valid && m_mem_req_ready) stored <= stored + 6'd1;
          if (m_mem_rsp_valid) begin
            acknowledged <= acknowledged + 6'd1;
            if (acknowledged == 6'd31) begin
              state <= IDLE;
              finish <= 1'b1;
            end
          end
        end
        default: ;
      endcase
  end
endmodule
