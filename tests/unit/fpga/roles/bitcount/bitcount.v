// SPDX-License-Identifier: MIT
//
// Writes to `dst` how many bits are set in `count` words of 64 bits at `src`.
module bitcount (
    input  wire        clk,
    input  wire        rst,
    input  wire [11:0] cfg_awaddr,
    input  wire        cfg_awvalid,
    output wire        cfg_awready,
    input  wire [31:0] cfg_wdata,
    input  wire [ 3:0] cfg_wstrb,
    input  wire        cfg_wvalid,
    output wire        cfg_wready,
    output reg         cfg_bvalid,
    input  wire        cfg_bready,
    input  wire [11:0] cfg_araddr,
    input  wire        cfg_arvalid,
    output wire        cfg_arready,
    output reg  [31:0] cfg_rdata,
    output reg         cfg_rvalid,
    input  wire        cfg_rready,
    output reg         mem_req_valid,
    input  wire        mem_req_ready,
    output reg         mem_req_write,
    output reg  [63:0] mem_req_addr,
    output reg  [63:0] mem_req_wdata,
    output wire [ 7:0] mem_req_wstrb,
    input  wire        mem_rsp_valid,
    input  wire [63:0] mem_rsp_rdata
);
  assign mem_req_wstrb = 8'hff;

  // Registers.
  reg aw_full, w_full;
  reg [11:0] aw;
  reg [31:0] w;
  reg [63:0] src, dst;
  reg [31:0] count;
  wire write = aw_full && w_full && !cfg_bvalid;
  wire start = write && aw == 12'h000 && w[0];
  assign cfg_awready = !aw_full;
  assign cfg_wready  = !w_full;
  assign cfg_arready = !cfg_rvalid;
  wire unused = &{1'b0, cfg_wstrb};

  reg busy, done;
  always @(posedge clk) begin
    if (rst) begin
      aw_full <= 0;
      w_full <= 0;
      cfg_bvalid <= 0;
      cfg_rvalid <= 0;
    end else begin
      if (cfg_awvalid && cfg_awready) begin
        aw_full <= 1;
        aw <= cfg_awaddr;
      end
      if (cfg_wvalid && cfg_wready) begin
        w_full <= 1;
        w <= cfg_wdata;
      end
      if (write) begin
        aw_full <= 0;
        w_full <= 0;
        cfg_bvalid <= 1;
        case (aw)
          12'h010: src[31:0] <= w;
          12'h014: src[63:32] <= w;
          12'h018: dst[31:0] <= w;
          12'h01c: dst[63:32] <= w;
          12'h020: count <= w;
          default: ;
        endcase
      end
      if (cfg_bvalid && cfg_bready) cfg_bvalid <= 0;
      if (cfg_arvalid && cfg_arready) begin
        cfg_rvalid <= 1;
        cfg_rdata  <= cfg_araddr == 12'h000 ? {30'b0, done, busy} : 32'b0;
      end
      if (cfg_rvalid && cfg_rready) cfg_rvalid <= 0;
    end
  end

  // One word after the other.
  function [6:0] ones(input [63:0] word);
    integer i;
    begin
      ones = 0;
      for (i = 0; i < 64; i = i + 1) ones = ones + {6'b0, word[i]};
    end
  endfunction

  reg waiting;
  reg [31:0] left;
  reg [63:0] at, total;
  always @(posedge clk) begin
    if (rst) begin
      busy <= 0;
      done <= 0;
      waiting <= 0;
      mem_req_valid <= 0;
    end else if (start) begin
      busy <= 1;
      done <= 0;
      left <= count;
      at <= src;
      total <= 0;
    end else if (busy) begin
      if (mem_req_valid && mem_req_ready) begin
        mem_req_valid <= 0;
        waiting <= 1;
      end else if (waiting) begin
        if (mem_rsp_valid) begin
          waiting <= 0;
          if (mem_req_write) begin
            busy <= 0;
            done <= 1;
          end else begin
            total <= total + {57'b0, ones(mem_rsp_rdata)};
            at <= at + 8;
            left <= left - 1;
          end
        end
      end else if (!mem_req_valid) begin
        mem_req_valid <= 1;
        mem_req_write <= left == 0;
        mem_req_addr  <= left == 0 ? dst : at;
        mem_req_wdata <= total;
      end
    end
  end
endmodule
