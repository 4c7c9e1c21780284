// SPDX-License-Identifier: MIT
//
// The control port of a role: AXI4-Lite, one access at a time. CONTROL at 0x00 (write bit 0:
// start; read bit 0 busy, bit 1 done), 32-bit arguments from 0x10 on.
module axil_registers #(
    parameter int Words = 4
) (
    input  logic        clk,
    input  logic        rst_n,
    /* verilator lint_off UNUSEDSIGNAL */ // registers are words
    input  logic [15:0] awaddr,
    input  logic        awvalid,
    output logic        awready,
    input  logic [31:0] wdata,
    input  logic        wvalid,
    output logic        wready,
    output logic        bvalid,
    input  logic        bready,
    input  logic [15:0] araddr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  logic        arvalid,
    output logic        arready,
    output logic [31:0] rdata,
    output logic        rvalid,
    input  logic        rready,
    output logic        start,  // for one cycle
    input  logic        finish, // for one cycle
    output logic        busy,
    output logic        done,
    output logic [Words*32-1:0] arguments
);
  localparam int IndexBits = $clog2(Words + 1);

  // Address and data are taken together, and the answer follows in the next cycle.
  wire write = awvalid && wvalid && !bvalid;
  assign awready = write;
  assign wready  = write;
  wire read = arvalid && !rvalid;
  assign arready = read;

  wire [13:0] write_word = awaddr[15:2] - 14'd4;
  wire [13:0] read_word  = araddr[15:2] - 14'd4;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      bvalid <= 1'b0;
      rvalid <= 1'b0;
      rdata <= '0;
      start <= 1'b0;
      busy <= 1'b0;
      done <= 1'b0;
      arguments <= '0;
    end else begin
      start <= 1'b0;
      if (finish) begin
        busy <= 1'b0;
        done <= 1'b1;
      end
      if (bvalid && bready) bvalid <= 1'b0;
      if (write) begin
        bvalid <= 1'b1;
        if (awaddr[15:2] == 0) begin
          start <= wdata[0];
          busy  <= wdata[0];
          if (wdata[0]) done <= 1'b0;
        end else if (32'(write_word) < Words) begin
          arguments[write_word[IndexBits-1:0]*32+:32] <= wdata;
        end
      end
      if (rvalid && rready) rvalid <= 1'b0;
      if (read) begin
        rvalid <= 1'b1;
        if (araddr[15:2] == 0) rdata <= {30'b0, done, busy};
        else if (32'(read_word) < Words) rdata <= arguments[read_word[IndexBits-1:0]*32+:32];
        else rdata <= '0;
      end
    end
  end
endmodule
