// SPDX-License-Identifier: MIT
//
// A streaming FIR filter of eight taps, a sample a cycle: y[n] = sum over k of c[k] * x[n - k],
// 32 bits that wrap, x before the start 0.
module fir_role (
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
    input  logic [31:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready
);
  localparam int Taps = 8;
  logic start;
  logic [Taps*32-1:0] taps;
  /* verilator lint_off PINCONNECTEMPTY */
  axil_registers #(.Words(Taps)) registers (
      .clk, .rst_n,
      .awaddr(s_axil_awaddr), .awvalid(s_axil_awvalid), .awready(s_axil_awready),
      .wdata(s_axil_wdata), .wvalid(s_axil_wvalid), .wready(s_axil_wready),
      .bvalid(s_axil_bvalid), .bready(s_axil_bready),
      .araddr(s_axil_araddr), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
      .rdata(s_axil_rdata), .rvalid(s_axil_rvalid), .rready(s_axil_rready),
      .start, .finish(start), .busy(), .done(irq), .arguments(taps)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  // The transposed form: each partial sum is a register. The streams' ends say when it is done.
  logic [31:0] sums[Taps-1];
  wire enable = m_axis_tready || !m_axis_tvalid;
  assign s_axis_tready = enable;
  always_ff @(posedge clk) begin
    if (!rst_n || start) begin
      m_axis_tvalid <= 1'b0;
      for (int i = 0; i < Taps - 1; i++) sums[i] <= '0;
    end else if (enable) begin
      m_axis_tvalid <= s_axis_tvalid;
      if (s_axis_tvalid) begin
        m_axis_tdata <= sums[0] + taps[31:0] * s_axis_tdata;
        for (int i = 0; i < Taps - 2; i++)
          sums[i] <= sums[i+1] + taps[(i+1)*32+:32] * s_axis_tdata;
        sums[Taps-2] <= taps[(Taps-1)*32+:32] * s_axis_tdata;
      end
    end
  end
endmodule
