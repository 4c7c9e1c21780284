// SPDX-License-Identifier: MIT
//
// A stage that takes a token, works on it for Latency cycles and gives it on: x -> x * 3 + Tag.
// It holds one token, and takes one in the cycle in which it gives the one before. Latency 0: it
// never is ready, for those who want to see a deadlock.
module stage #(
    parameter int Latency = 72,
    parameter int Tag = 1
) (
    input  logic        clk,
    input  logic        rst_n,
    input  logic [63:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    output logic [63:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready
);
  logic busy;
  logic [31:0] left;
  assign m_axis_tvalid = busy && left == 0;
  assign s_axis_tready = Latency != 0 && (!busy || (m_axis_tvalid && m_axis_tready));
  always_ff @(posedge clk) begin
    if (!rst_n) busy <= 1'b0;
    else if (s_axis_tvalid && s_axis_tready) begin
      busy <= 1'b1;
      left <= Latency - 1;
      m_axis_tdata <= s_axis_tdata * 3 + 64'(Tag);
    end else if (m_axis_tvalid && m_axis_tready) busy <= 1'b0;
    else if (left != 0) left <= left - 1;
  end
endmodule
