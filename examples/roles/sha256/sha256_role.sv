// SPDX-License-Identifier: MIT
//
// Reads `blocks` padded blocks of 64 bytes at `src` and writes the digest's 32 bytes at `dst`.
module sha256_role (
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
  logic start, finish, done;
  logic [159:0] arguments;
  /* verilator lint_off PINCONNECTEMPTY */
  axil_registers #(.Words(5)) registers (
      .clk, .rst_n,
      .awaddr(s_axil_awaddr), .awvalid(s_axil_awvalid), .awready(s_axil_awready),
      .wdata(s_axil_wdata), .wvalid(s_axil_wvalid), .wready(s_axil_wready),
      .bvalid(s_axil_bvalid), .bready(s_axil_bready),
      .araddr(s_axil_araddr), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
      .rdata(s_axil_rdata), .rvalid(s_axil_rvalid), .rready(s_axil_rready),
      .start, .finish, .busy(), .done, .arguments
  );
  /* verilator lint_on PINCONNECTEMPTY */
  wire [63:0] src = arguments[63:0];
  wire [63:0] dst = arguments[127:64];
  wire [31:0] blocks = arguments[159:128];
  assign irq = done;

  // Bytes of memory are little-endian words, SHA's are big-endian.
  function automatic logic [63:0] swap(input logic [63:0] x);
    return {x[7:0], x[15:8], x[23:16], x[31:24], x[39:32], x[47:40], x[55:48], x[63:56]};
  endfunction

  // A block is read while the one before is hashed.
  logic [511:0] buffer;
  logic [3:0] asked, got;      // of a block's eight words
  logic [31:0] fetched, given; // blocks
  logic running, writing;
  logic [2:0] written, acknowledged;
  logic core_start, core_ready;
  logic [255:0] digest;
  sha256_core core (
      .clk, .rst_n, .first(given == 0), .start(core_start), .block(buffer),
      .ready(core_ready), .digest
  );
  assign core_start = running && got == 4'd8 && core_ready;

  always_comb begin
    m_mem_req_valid = 1'b0;
    m_mem_req_write = 1'b0;
    m_mem_req_addr  = src + {26'b0, fetched, 6'b0} + {57'b0, asked, 3'b0};
    m_mem_req_wdata = swap(digest[(3-32'(written[1:0]))*64+:64]);
    m_mem_req_wstrb = 8'hff;
    if (running && fetched < blocks && asked < 4'd8) m_mem_req_valid = 1'b1;
    if (writing && written < 3'd4) begin
      m_mem_req_valid = 1'b1;
      m_mem_req_write = 1'b1;
      m_mem_req_addr  = dst + {58'b0, written, 3'b0};
    end
  end

  always_ff @(posedge clk) begin
    finish <= 1'b0;
    if (!rst_n) begin
      running <= 1'b0;
      writing <= 1'b0;
    end else if (start) begin
      running <= blocks != 0;
      finish <= blocks == 0;
      writing <= 1'b0;
      {fetched, given} <= '0;
      {asked, got} <= '0;
      {written, acknowledged} <= '0;
    end else begin
      if (m_mem_req_valid && m_mem_req_ready) begin
        if (writing) written <= written + 3'd1;
        else asked <= asked + 4'd1;
      end
      if (running && m_mem_rsp_valid) begin
        buffer <= {buffer[447:0], swap(m_mem_rsp_rdata)};
        got <= got + 4'd1;
      end
      if (core_start) begin
        got <= '0;
        asked <= '0;
        fetched <= fetched + 32'd1;
        given <= given + 32'd1;
      end
      if (running && given == blocks && core_ready && !core_start) begin
        running <= 1'b0;
        writing <= 1'b1;
      end
      if (writing && m_mem_rsp_valid) begin
        acknowledged <= acknowledged + 3'd1;
        if (acknowledged == 3'd3) begin
          writing <= 1'b0;
          finish <= 1'b1;
        end
      end
    end
  end
endmodule
