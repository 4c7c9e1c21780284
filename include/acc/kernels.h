/* SPDX-License-Identifier: MIT */
/*
 * Kernel arguments of the crossbar and of the FPGA's behavioural roles: what the
 * compiler writes, a program may write by hand and an engine reads. Addresses are
 * device addresses of the dispatching client. Tensors are dense, channels last
 * (NHWC), int8 unless said otherwise. Strides and counts are in elements.
 *
 * Integer semantics, defined once (docs/quantisation.md):
 *   requant(x, m, s) = (x * m + 2^(s-1)) >> s     64-bit, arithmetic shift, 1 <= s <= 62
 *   round_half_even for float -> int8, as ONNX QuantizeLinear
 * Every kernel takes grid (1,1,1): one dispatch is one pass over `batch` items.
 */
#ifndef ACC_KERNELS_H
#define ACC_KERNELS_H

#include "acc/abi.h"

/* ---------------------------------------------------------------- crossbar */

/*
 * out[v][n] = sum over k of in[v][k] * W[k][n], integer. The element type of `in`
 * (int8, uint8, int16, uint16) and of `out` (int32, int64) are the matrix's.
 */
struct acc_mvm_args {
	acc_u64 input;
	acc_u64 output;
	acc_u64 vectors;
	acc_u64 input_stride;  /* elements from one vector to the next, >= rows */
	acc_u64 output_stride; /* >= cols */
	acc_u64 operation;     /* enum acc_mvm_operation */
	acc_u64 reserved[2];
};
ACC_ASSERT_SIZE(struct acc_mvm_args, 64);

/* What a kernel does with its matrix. Of ideal devices calibration and compensation change
 * nothing. Fields that an operation has no use for are 0. */
enum acc_mvm_operation {
	ACC_MVM_MULTIPLY = 0,
	/* Fits the ranges of the ADCs to the currents that these input vectors make
	 * (adc_range=calibrated). No output. */
	ACC_MVM_CALIBRATE = 1,
	/* Measures what drift has left of the currents of each array, with every row on, and
	 * scales its codes by that from now on. No input, no output, no vectors. */
	ACC_MVM_COMPENSATE = 2,
	/* Writes struct acc_mvm_stats to `output`. No input, no vectors. */
	ACC_MVM_STATS = 3,
	/* Writes what the cells of an array hold to `output`: float [2][array_rows][array_cols] in
	 * uS, first what was asked for, then what is there now, without what reading adds; NaN
	 * where the matrix has no cell. `vectors`: which of the matrix's arrays. No input. */
	ACC_MVM_CELLS = 4,
};

/* Of one matrix in its slot, since it was programmed unless said otherwise. */
struct acc_mvm_stats {
	acc_u64 arrays;
	acc_u64 activations;	 /* of arrays */
	acc_u64 conversions;	 /* of ADCs */
	acc_u64 clipped;	 /* of them */
	acc_u64 stuck_cells;	 /* at one end or the other */
	acc_u64 failed_cells;	 /* that write-verify gave up */
	acc_u64 programmings;	 /* of its arrays, since the device came up: the most */
	acc_u64 most_row_pulses; /* the same, pulses of a row of cells */
	acc_u64 slot_row_pulses; /* of all rows of the slot, since the device came up */
	acc_u64 age_ns;		 /* of its cells, on the device's clock */
	acc_u64 memory_bytes;	 /* that the model takes for it; 0: not of its own */
	acc_u64 first_array; /* of the slot; its others follow: [row block][column block][slice] */
	acc_u64 tile_arrays; /* of a tile, which is array / tile_arrays */
	acc_u64 array_rows, array_cols;
	acc_u64 reserved;
};
ACC_ASSERT_SIZE(struct acc_mvm_stats, 128);

/*
 * A kernel of a crossbar's ISA program (docs/crossbar-isa.md): this header, then one struct
 * acc_xisa_arg per port of the kernel, in their order. Each stream of the kernel runs its code
 * `items` times; elements are int16, of int8 ports int8.
 */
struct acc_xisa_args {
	acc_u64 items; /* at least 1 */
	acc_u64 stats; /* 0, or where struct acc_xisa_tile_stats[tiles of the program] go */
};
ACC_ASSERT_SIZE(struct acc_xisa_args, 16);

struct acc_xisa_arg {
	acc_u64 value;	/* input, output: address, aligned to elements; scalar: -32768 … 65535 */
	acc_u64 stride; /* elements from one item to the next, at least the port's; scalar: 0 */
};
ACC_ASSERT_SIZE(struct acc_xisa_arg, 16);

/* What a tile did in a dispatch that ended well. Cycles are the model's. */
struct acc_xisa_tile_stats {
	acc_u64 instructions; /* retired, of its cores and its control unit */
	acc_u64 mvms;	      /* of its units */
	acc_u64 array_activations, conversions, clipped;
	acc_u64 mvm_cycles;    /* of MVM instructions, summed over cores */
	acc_u64 vector_cycles; /* of all other instructions of cores but loads and stores */
	acc_u64 accesses;      /* of shared memory */
	acc_u64 messages, words_sent, word_hops;
	acc_u64 stall_valid; /* cycles that written words were waited for */
	acc_u64 stall_free;  /* that readers of old words were waited for */
	acc_u64 stall_fifo;  /* that messages, or room for them, were waited for */
	acc_u64 adc_pj, cells_pj, periphery_pj; /* of the MVM units */
	acc_u64 core_pj, memory_pj, network_pj, static_pj;
	acc_u64 reserved[3];
};
ACC_ASSERT_SIZE(struct acc_xisa_tile_stats, 192);

/* -------------------------------------------------------------------- FPGA */

/* Names of the behavioural roles; a kernel of a program names one. */
#define ACC_ROLE_QUANTIZE_F32_I8 "quantize_f32_i8"
#define ACC_ROLE_DEQUANTIZE_I8_F32 "dequantize_i8_f32"
#define ACC_ROLE_REQUANTIZE_I32_I8 "requantize_i32_i8"
#define ACC_ROLE_REQUANTIZE_I32_I16 "requantize_i32_i16"
#define ACC_ROLE_IM2COL_I8 "im2col_i8"
#define ACC_ROLE_MAXPOOL_I8 "maxpool_i8"
#define ACC_ROLE_AVGPOOL_I8 "avgpool_i8"
#define ACC_ROLE_ADD_I8 "add_i8"
#define ACC_ROLE_ADD_I16 "add_i16"
#define ACC_ROLE_CLIP_I8 "clip_i8"
#define ACC_ROLE_TABLE_I8 "table_i8"
#define ACC_ROLE_MUL_I8 "mul_i8"
#define ACC_ROLE_CONCAT_I8 "concat_i8"
#define ACC_ROLE_PERMUTE_I8 "permute_i8"
#define ACC_ROLE_SOFTMAX_I8_F32 "softmax_i8_f32"
#define ACC_ROLE_ADD_F32 "add_f32"
#define ACC_ROLE_MUL_F32 "mul_f32"
#define ACC_ROLE_RELU_F32 "relu_f32"
#define ACC_ROLE_CLIP_F32 "clip_f32"
#define ACC_ROLE_SOFTMAX_F32 "softmax_f32"
#define ACC_ROLE_GEMM_I8 "gemm_i8"
#define ACC_ROLE_NOOP "noop" /* no arguments: what a launch costs */
#define ACC_ROLE_FFT_F32 "fft_f32"
#define ACC_ROLE_SHA256 "sha256"
#define ACC_ROLE_SORT_I32 "sort_i32"
#define ACC_ROLE_HISTOGRAM_U8 "histogram_u8"
#define ACC_ROLE_FIR_I32 "fir_i32"
#define ACC_ROLE_AES_CTR "aes_ctr"

/* quantize: dst = clamp(round_half_even(src / scale) + zero_point, -128, 127).
 * dequantize: dst = (src - zero_point) * scale. */
struct acc_quantize_args {
	acc_u64 src;
	acc_u64 dst;
	acc_u64 count;
	float scale;	  /* > 0, finite */
	__s32 zero_point; /* -128 … 127 */
};
ACC_ASSERT_SIZE(struct acc_quantize_args, 32);

/* dst[r][c] = clamp(zero_point + requant(src[r][c] + bias[c], multiplier[c], shift[c]), min, max)
 * requantize_i32_i16: dst is int16, and zero_point, min and max are within its limits. */
struct acc_requantize_args {
	acc_u64 src;	    /* int32 [rows][channels] */
	acc_u64 dst;	    /* int8 or int16 [rows][channels] */
	acc_u64 bias;	    /* int32 [channels] */
	acc_u64 multiplier; /* int32 [channels], >= 0 */
	acc_u64 shift;	    /* int32 [channels], 1 … 62 */
	acc_u64 rows;
	__u32 channels;
	__s32 zero_point;
	__s32 min; /* -128 <= min <= max <= 127: a fused Relu or Clip */
	__s32 max;
};
ACC_ASSERT_SIZE(struct acc_requantize_args, 64);

/* Windows over an NHWC image. Pads are at the top and left; what lies below or to
 * the right of the image is padding as well. */
struct acc_window {
	__u32 batch, h, w, c;
	__u32 kernel_h, kernel_w, stride_h, stride_w;
	__u32 pad_top, pad_left, dilation_h, dilation_w;
	__u32 out_h, out_w;
};
ACC_ASSERT_SIZE(struct acc_window, 56);

/* dst[b][oy][ox][ky][kx][c] = src[b][oy*stride_h + ky*dilation_h - pad_top][…][c], else pad_value
 */
struct acc_im2col_args {
	acc_u64 src;
	acc_u64 dst;
	struct acc_window window;
	__s32 pad_value;
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_im2col_args, 80);

/* maxpool: the largest of the window's elements inside the image (-128 if none).
 * avgpool: sum / n rounded half away from zero, n = elements inside the image, or
 * kernel_h * kernel_w if count_include_pad (padding then counts as zero_point). */
struct acc_pool_args {
	acc_u64 src;
	acc_u64 dst;
	struct acc_window window;
	__s32 zero_point;
	__u32 count_include_pad; /* 0 or 1; 0 for maxpool */
};
ACC_ASSERT_SIZE(struct acc_pool_args, 80);

/* dst[i] = clamp(zero_point + requant((a[i]-a_zero)*a_mul + (b[i % b_count]-b_zero)*b_mul, 1,
 * shift), min, max). add_i16: of int16 to int16, and the zero points, min and max within its
 * limits.
 */
struct acc_add_i8_args {
	acc_u64 a;
	acc_u64 b;
	acc_u64 dst;
	acc_u64 count;
	acc_u64 b_count;
	__s32 a_zero, b_zero;
	__s32 a_mul, b_mul;
	__s32 shift; /* 1 … 62 */
	__s32 zero_point;
	__s32 min, max;
};
ACC_ASSERT_SIZE(struct acc_add_i8_args, 72);

/* dst[i] = clamp(src[i], min, max) */
struct acc_clip_i8_args {
	acc_u64 src;
	acc_u64 dst;
	acc_u64 count;
	__s32 min, max;
};
ACC_ASSERT_SIZE(struct acc_clip_i8_args, 32);

/* dst[i] = table[src[i] + 128]: any function of one element, and any chain of such. */
struct acc_table_args {
	acc_u64 src;
	acc_u64 dst;
	acc_u64 count;
	acc_u64 table; /* int8 [256] */
};
ACC_ASSERT_SIZE(struct acc_table_args, 32);

/* dst[o][m][i] = clamp(zero_point + requant((a[o][m][i]-a_zero)*(b[o][i]-b_zero), multiplier,
 * shift), min, max): of equal shapes with middle = 1, or by a factor for each channel. */
struct acc_mul_i8_args {
	acc_u64 a;   /* int8 [outer][middle][inner] */
	acc_u64 b;   /* int8 [outer][inner] */
	acc_u64 dst; /* as a */
	acc_u64 outer, middle, inner;
	__s32 a_zero, b_zero;
	__s32 multiplier; /* >= 0 */
	__s32 shift;	  /* 1 … 62 */
	__s32 zero_point;
	__s32 min, max;
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_mul_i8_args, 80);

/* Row r of dst is bytes[0] bytes from src[0] + r * stride[0], then bytes[1] from src[1] + r *
 * stride[1], …: of one source, a part of its rows. Those of 0 bytes, at the end, are 0 altogether. */
#define ACC_CONCAT_SOURCES 8
struct acc_concat_args {
	acc_u64 src[ACC_CONCAT_SOURCES];
	acc_u64 dst;
	acc_u64 rows;
	__u32 bytes[ACC_CONCAT_SOURCES];
	__u32 stride[ACC_CONCAT_SOURCES]; /* 0: the same row again */
};
ACC_ASSERT_SIZE(struct acc_concat_args, 144);

/* A transposition of four axes: dst axis i is src axis perm[i]. */
struct acc_permute_args {
	acc_u64 src;
	acc_u64 dst;
	__u32 dims[4]; /* of src */
	__u32 perm[4];
};
ACC_ASSERT_SIZE(struct acc_permute_args, 48);

/* softmax over the last axis. i8: x = (src - zero_point) * scale. f32: scale 1, zero_point 0. */
struct acc_softmax_args {
	acc_u64 src;
	acc_u64 dst; /* float [rows][cols] */
	acc_u64 rows;
	__u32 cols;
	__s32 zero_point;
	float scale;
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_softmax_args, 40);

/* add, mul: dst[i] = a[i] op b[i % b_count]. relu, clip: b is 0, b_count 0. */
struct acc_elementwise_f32_args {
	acc_u64 a;
	acc_u64 b;
	acc_u64 dst;
	acc_u64 count;
	acc_u64 b_count;
	float min, max; /* clip only, else 0 */
};
ACC_ASSERT_SIZE(struct acc_elementwise_f32_args, 48);

/* For each pair of a batch: out[m][n] = sum over k of (a[m][k] - a_zero) * (b[k][n] - b_zero),
 * int32: products that no crossbar holds because both sides change. */
struct acc_gemm_i8_args {
	acc_u64 a;   /* int8 [batch][m][k] */
	acc_u64 b;   /* int8 [batch][k][n] */
	acc_u64 out; /* int32 [batch][m][n] */
	__u32 m, n, k;
	__s32 a_zero;
	__s32 b_zero;
	__u32 batch; /* 0 counts as 1 */
};
ACC_ASSERT_SIZE(struct acc_gemm_i8_args, 48);

/* For each of a batch: dst[k] = sum over n of src[n] * exp(-2 pi i n k / 2^log2_points), of complex
 * floats (re, im); with `inverse` the exponent is positive. Not scaled. Radix 2, decimation in
 * time, twiddles rounded to float from double. */
struct acc_fft_args {
	acc_u64 src;	   /* float [batch][2^log2_points][2] */
	acc_u64 dst;	   /* may be src */
	__u32 log2_points; /* 1 ... 15 */
	__u32 batch;	   /* at least 1 */
	__u32 inverse;	   /* 0 or 1 */
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_fft_args, 32);

/* The SHA-256 (FIPS 180-4) of `bytes` bytes, which may be 0; padding is the role's. */
struct acc_sha256_args {
	acc_u64 src;
	acc_u64 dst; /* 32 bytes */
	acc_u64 bytes;
	acc_u64 reserved;
};
ACC_ASSERT_SIZE(struct acc_sha256_args, 32);

/* dst = the int32 of src in ascending order. */
struct acc_sort_args {
	acc_u64 src;
	acc_u64 dst;   /* may be src */
	acc_u64 count; /* 1 ... 2^17 */
	acc_u64 reserved;
};
ACC_ASSERT_SIZE(struct acc_sort_args, 32);

/* dst[v] = how many of the bytes at src are v, u32 [256], modulo 2^32. */
struct acc_histogram_args {
	acc_u64 src;
	acc_u64 dst;
	acc_u64 count;
	acc_u64 reserved;
};
ACC_ASSERT_SIZE(struct acc_histogram_args, 32);

/* dst[n] = sum over k of taps[k] * src[n - k], int32 modulo 2^32; src before its start is 0. */
struct acc_fir_args {
	acc_u64 src;
	acc_u64 dst;  /* not src */
	acc_u64 taps; /* int32 */
	acc_u64 count;
	__u32 tap_count; /* 1 ... 256 */
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_fir_args, 40);

/* dst = src xor the key stream of AES (FIPS 197) in counter mode (NIST SP 800-38A, 6.5): block j
 * is encrypted from iv + j, a big-endian number of 128 bits. */
struct acc_aes_ctr_args {
	acc_u64 src;
	acc_u64 dst; /* may be src */
	acc_u64 bytes;
	__u32 key_bytes; /* 16 or 32 */
	__u32 reserved;
	__u8 key[32]; /* zero behind key_bytes */
	__u8 iv[16];
};
ACC_ASSERT_SIZE(struct acc_aes_ctr_args, 80);

/* ------------------------------------------------------------- FPGA, graphs */

/* A kernel with stages (acc_fpga_stage): items go from `input` through all of its stages to
 * `output`, each a token of the stages' size. */
struct acc_graph_args {
	acc_u64 input;
	acc_u64 output;
	acc_u64 items;	  /* 1 ... 2^40 */
	acc_u64 counters; /* struct acc_graph_counters[edges], or 0 */
	acc_u64 log;	  /* u64 [stages][items]: the cycle in which each was taken, or 0 */
	acc_u64 stall_seed;
	__u32 stall_most; /* random waits of 0 ... stall_most cycles before each take: a test aid */
	__u32 reserved;
};
ACC_ASSERT_SIZE(struct acc_graph_args, 56);

/* Of one edge. */
struct acc_graph_counters {
	acc_u64 pushed; /* tokens */
	acc_u64 popped; /* firings of the stage behind it */
	acc_u64 full;	/* cycles in which there was no room for another: stalls of the stage before
			 */
	acc_u64 empty;	/* cycles in which there was nothing to take */
	acc_u64 most;	/* tokens at a time */
	acc_u64 cycles; /* of the dispatch */
};
ACC_ASSERT_SIZE(struct acc_graph_counters, 48);

/* -------------------------------------------------------------------- null */

/* Kernels of the null engine, the template and the tests' tool. */
#define ACC_NULL_NOOP "noop" /* no arguments */
#define ACC_NULL_COPY "copy" /* acc_null_args: source, destination, size bytes */
#define ACC_NULL_SPIN "spin" /* acc_null_args: size ns of work that can be stopped */
#define ACC_NULL_FAIL "fail" /* completes with ENGINE_ERROR */
#define ACC_NULL_HANG "hang" /* makes no progress until stopped */

struct acc_null_args {
	acc_u64 source;
	acc_u64 destination;
	acc_u64 size;
	acc_u64 reserved;
};
ACC_ASSERT_SIZE(struct acc_null_args, 32);

#endif /* ACC_KERNELS_H */
