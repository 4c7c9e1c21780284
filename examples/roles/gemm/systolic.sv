// SPDX-License-Identifier: MIT
//
// An output-stationary systolic array: N x N cells, each of which multiplies what comes from
// the left by what comes from above, adds it to its own sum and hands both on.
module systolic #(
    parameter int N = 8
) (
    input  logic             clk,
    input  logic             clear,
    input  logic             enable,
    input  logic [N*8-1:0]   left,  // a column of A, skewed by the caller
    input  logic [N*8-1:0]   top,   // a row of B, ditto
    output logic [N*N*32-1:0] sums  // row-major
);
  logic signed [7:0] a[N][N], b[N][N];           // what a cell hands on
  logic signed [7:0] a_in[N][N], b_in[N][N];
  logic signed [31:0] c[N][N];
  always_comb
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) begin
        if (j == 0) a_in[i][j] = left[i*8+:8];
        else a_in[i][j] = a[i][j-1];
        if (i == 0) b_in[i][j] = top[j*8+:8];
        else b_in[i][j] = b[i-1][j];
        sums[(i*N+j)*32+:32] = c[i][j];
      end
  always_ff @(posedge clk)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++)
        if (clear) begin
          a[i][j] <= '0;
          b[i][j] <= '0;
          c[i][j] <= '0;
        end else if (enable) begin
          a[i][j] <= a_in[i][j];
          b[i][j] <= b_in[i][j];
          c[i][j] <= c[i][j] + 32'(a_in[i][j]) * 32'(b_in[i][j]);
        end
endmodule
