/* SPDX-License-Identifier: MIT */
/*
 * The program container, `.accx`: compiler -> runtime -> device. An ELF64 file
 * (little-endian, ET_REL-free: type ET_EXEC, no segments needed) with
 *
 *   .note.acc.id        one note "ACC", type ACC_NOTE_ID: struct acc_note_id
 *   .note.acc.compat    one note per target, type ACC_NOTE_COMPAT: struct acc_note_compat
 *   .note.acc.units     note type ACC_NOTE_UNITS: struct acc_unit_desc[]
 *   .note.acc.kernels   note type ACC_NOTE_KERNELS: struct acc_kernel_desc[]
 *   .note.acc.resources note type ACC_NOTE_RESOURCES: struct acc_unit_resources[]
 *   .acc.image.<target> what the engine loads; target is null, crossbar, fpga or host
 *   .acc.model          a compiled network: struct acc_model_header and its tables
 *   .acc.const          constants of the model (biases, multipliers, shifts)
 *   .acc.report         the placement report, JSON text
 *   .acc.rtl            sources of a design, for a rebuild
 *   .acc.sig            struct acc_signature
 *
 * A reader refuses whatever does not lie wholly inside the file. All tables are
 * arrays of fixed-size structs; strings are NUL-padded and NUL-terminated.
 */
#ifndef ACC_PROGRAM_H
#define ACC_PROGRAM_H

#include "acc/abi.h"

#define ACC_PROGRAM_VERSION 1
#define ACC_NOTE_NAME "ACC"
#define ACC_NOTE_ID 1
#define ACC_NOTE_COMPAT 2
#define ACC_NOTE_UNITS 3
#define ACC_NOTE_KERNELS 4
#define ACC_NOTE_RESOURCES 5

#define ACC_SECTION_ID ".note.acc.id"
#define ACC_SECTION_COMPAT ".note.acc.compat"
#define ACC_SECTION_UNITS ".note.acc.units"
#define ACC_SECTION_KERNELS ".note.acc.kernels"
#define ACC_SECTION_RESOURCES ".note.acc.resources"
#define ACC_SECTION_IMAGE ".acc.image."
#define ACC_SECTION_MODEL ".acc.model"
#define ACC_SECTION_CONST ".acc.const"
#define ACC_SECTION_REPORT ".acc.report"
#define ACC_SECTION_RTL ".acc.rtl"
#define ACC_SECTION_SIGNATURE ".acc.sig"

#define ACC_NAME_BYTES 48

/* Numbers of enum drm_acc_engine; the host agent is no device, but the runtime itself. */
enum acc_target {
	ACC_TARGET_NULL = 0,
	ACC_TARGET_CROSSBAR = 1,
	ACC_TARGET_FPGA = 2,
	ACC_TARGET_HOST = 3,
	ACC_TARGET_COUNT
};

struct acc_note_id {
	__u32 version; /* ACC_PROGRAM_VERSION */
	__u32 reserved;
	__u8 uuid[16];
	__u8 build[16]; /* hash of what it was built from */
	char name[ACC_NAME_BYTES];
};

struct acc_note_compat {
	__u32 target; /* enum acc_target */
	__u16 abi_major, abi_minor;
	__u8 shell[16]; /* interface UUID; all zero: any */
	__u32 units;	/* of this target */
	__u32 kernels;
};

/* What is resident as a whole: a role of the FPGA, the matrices of a crossbar program. */
struct acc_unit_desc {
	__u32 target;
	__u32 class_id;	    /* slot class; 0: any */
	acc_u64 capacity;   /* of a slot's capacity: crossbar arrays, or LUTs */
	acc_u64 load_bytes; /* of the bitstream or of the cells to program */
	__u8 hash[16];	    /* units with equal hashes are one unit; all zero: never shared */
	char name[ACC_NAME_BYTES];
};

#define ACC_RESOURCES 4 /* by enum drm_acc_resource */

/* What a unit of the FPGA takes of a region: beside its capacity, which is the first of them. */
struct acc_unit_resources {
	__u32 unit; /* index among the FPGA's units; each at most once */
	__u32 reserved;
	acc_u64 amount[ACC_RESOURCES]; /* LUTs, flip-flops, block memories, DSPs */
};

struct acc_kernel_desc {
	__u32 target;
	__u32 unit; /* index among this target's units */
	__u32 kernarg_bytes;
	__u32 group_bytes;
	__u32 private_bytes;
	__u32 reserved;
	char name[ACC_NAME_BYTES]; /* unique within a target */
};

/* Ed25519 (RFC 8032) over the text ACC_SIGNATURE_CONTEXT with its NUL and the 32-byte
 * BLAKE2b (RFC 7693) of all other sections but the one of names: in the order of their names,
 * each as name, NUL, size as a u64, bytes. */
#define ACC_SIGNATURE_CONTEXT "acc program signature 1"
struct acc_signature {
	__u32 version; /* 1 */
	__u32 reserved;
	__u8 key[32];
	__u8 signature[64];
};

/* ---------------------------------------------------------- .acc.image.null */

/* The k-th kernel of a null image does `op`, one of ACC_NULL_* by name. */
struct acc_null_kernel {
	char op[ACC_NAME_BYTES];
};

/* ------------------------------------------------------ .acc.image.crossbar */

#define ACC_XBAR_MAGIC 0x42585841u /* "AXXB" */

struct acc_xbar_image {
	__u32 magic;
	__u32 version; /* 1 */
	__u32 matrices;
	__u32 reserved;
	/* struct acc_xbar_matrix[matrices], then weights */
};

#define ACC_XBAR_INPUT_SIGNED 1u

/* Kernel k multiplies by matrix k. Weights are two's complement, row-major
 * [rows][cols], int8 if weight_bits <= 8, else int16. */
struct acc_xbar_matrix {
	__u32 rows;	     /* inputs */
	__u32 cols;	     /* outputs */
	__u16 weight_bits;   /* 2 … 16 */
	__u16 input_bits;    /* 1 … 16; elements are 8 bits wide if <= 8, else 16 */
	__u16 output_bytes;  /* 4 or 8 */
	__u16 flags;	     /* ACC_XBAR_* */
	acc_u64 data_offset; /* in the section */
	acc_u64 data_bytes;
};

/*
 * Version 2: kernels of several kinds. The header's `matrices` is the number of kernels, and
 * struct acc_xbar_kernel[kernels] follows it, then struct acc_xisa_program[] for the programs
 * that kernels name, in their order. Offsets count from the section's start, tables are arrays
 * of structs, at multiples of 8.
 */
#define ACC_XBAR_VERSION_KINDS 2

enum acc_xbar_kind {
	ACC_XBAR_KIND_MATRIX = 1, /* offset: a struct acc_xbar_matrix; acc_mvm_args */
	ACC_XBAR_KIND_ISA = 2,	  /* offset: a struct acc_xisa_kernel; acc_xisa_args */
};

struct acc_xbar_kernel {
	__u32 kind;    /* enum acc_xbar_kind */
	__u32 program; /* ISA: which program; else 0. Programs are numbered from 0 as they appear */
	acc_u64 offset;
};

#define ACC_XISA_VERSION 1
#define ACC_XISA_CONTROL 0xffffffffu /* the control unit of a tile, where a core is named */

/* Weights and sizes of one program: what its kernels share and what it was made for. It
 * runs where rows, cols, mvm_units and frac_bits are the device's and nothing else is more. */
struct acc_xisa_program {
	__u32 isa; /* ACC_XISA_VERSION */
	__u32 tiles, cores, mvm_units;
	__u32 rows, cols;
	__u32 weight_bits, input_bits, frac_bits;
	__u32 registers; /* general ones */
	__u32 shared_words, fifos;
	__u32 matrices;
	__u32 reserved;
	acc_u64 matrix_offset; /* struct acc_xisa_matrix[matrices] */
};

/* Weights of one MVM unit: int16, row-major [rows][cols], at most weight_bits wide. Without
 * data (data_bytes 0) only a device that models time alone takes the program. A unit with fewer
 * bits than the program's has fewer slices and takes fewer rounds: of inputs the low bits count. */
struct acc_xisa_matrix {
	__u32 tile, core, unit;
	__u32 rows, cols;
	__u16 weight_bits, input_bits; /* 0: the program's */
	acc_u64 data_offset;
	acc_u64 data_bytes;
};

struct acc_xisa_kernel {
	__u32 streams, data, ports;
	__u32 reserved;
	acc_u64 stream_offset; /* struct acc_xisa_stream[streams] */
	acc_u64 data_offset;   /* struct acc_xisa_data[data] */
	acc_u64 port_offset;   /* struct acc_xisa_port[ports] */
};

/* Instructions of a core or a control unit: 64-bit words. */
struct acc_xisa_stream {
	__u32 tile;
	__u32 core; /* or ACC_XISA_CONTROL */
	__u32 instructions;
	__u32 reserved;
	acc_u64 offset;
};

/* Words that shared memory holds, valid, when a dispatch begins: int16. */
struct acc_xisa_data {
	__u32 tile, address, words;
	__u32 count; /* of consumers, 1 … 255; 255: stays valid */
	acc_u64 offset;
};

enum acc_xisa_port_kind {
	ACC_XISA_PORT_INPUT = 1,  /* of each item, `words` words from memory to shared memory */
	ACC_XISA_PORT_OUTPUT = 2, /* the other way */
	ACC_XISA_PORT_SCALAR = 3, /* one word, once a dispatch, that stays valid */
	/* As the first two; elements are int8 in memory, words of the same value in the tile.
	 * Of a word that is none the nearest is written. */
	ACC_XISA_PORT_INPUT_I8 = 4,
	ACC_XISA_PORT_OUTPUT_I8 = 5,
};

struct acc_xisa_port {
	char name[ACC_NAME_BYTES];
	__u32 kind; /* enum acc_xisa_port_kind */
	__u32 tile, address, words;
	__u32 count; /* of consumers, of an input; else 0 */
	__u32 reserved;
};

/* ---------------------------------------------------------- .acc.image.fpga */

#define ACC_FPGA_MAGIC 0x41475046u /* "FPGA" */

struct acc_fpga_image {
	__u32 magic;
	__u32 version; /* 1 */
	__u32 kernels;
	__u32 reserved;
	/* struct acc_fpga_kernel[kernels] */
};

struct acc_fpga_kernel {
	char role[ACC_NAME_BYTES]; /* of the behavioural library, acc/kernels.h */
};

/* Who made the machine code of an image of version 2. */
enum acc_fpga_code {
	ACC_FPGA_BEHAVIOURAL = 0, /* none: version 1 */
	ACC_FPGA_RTL = 1,	  /* a design: signed, or refused */
	ACC_FPGA_COMPILED = 2,	  /* of a client: never in the device's process */
};

/* Version 2: roles that the image brings along, as a shared object with the symbol of
 * acc/role.h. Kernel k is role k; an argument without a register is lost. */
struct acc_fpga_native {
	__u32 magic;
	__u32 version; /* 2 */
	__u32 kernels;
	__u32 kind; /* enum acc_fpga_code, not BEHAVIOURAL */
	__u32 registers;
	__u32 stages; /* of dataflow graphs */
	__u32 edges;
	__u32 reserved;
	acc_u64 code_offset; /* in the section, a multiple of 64 */
	acc_u64 code_bytes;
	/* struct acc_fpga_kernel[kernels], acc_fpga_register[registers],
	 * acc_fpga_stage[stages], acc_fpga_edge[edges]; at code_offset the object */
};

/* Where a part of a kernel's arguments goes. */
struct acc_fpga_register {
	__u32 kernel;
	__u32 argument; /* byte in the kernargs, a multiple of 4 */
	__u32 offset;	/* in the role's registers, a multiple of 4, >= 0x10 */
	__u32 bytes;	/* 4 or 8 */
};

/* A kernel with stages is a graph: the stages are its roles. */
struct acc_fpga_stage {
	__u32 kernel;
	__u32 reserved;
	char role[ACC_NAME_BYTES];
};

#define ACC_FPGA_MEMORY 0xffffffffu /* instead of a stage: acc_graph_args' buffers */

/* A FIFO of `depth` tokens from an output stream to an input stream of stages of one kernel,
 * counted from the kernel's first. */
struct acc_fpga_edge {
	__u32 kernel;
	__u32 from_stage; /* or ACC_FPGA_MEMORY: filled from acc_graph_args.input */
	__u32 from_stream;
	__u32 to_stage; /* or ACC_FPGA_MEMORY: drained to acc_graph_args.output */
	__u32 to_stream;
	__u32 depth; /* 1 ... 65536 */
};

/* ---------------------------------------------------------- .acc.image.host */

#define ACC_HOST_MAGIC 0x53484158u /* "XAHS" */
#define ACC_HOST_MAX_DIMS 8

/* Kernel k is one operator of ONNX's newest set on tensors of fixed shapes. Its kernel
 * arguments are an address (acc_u64) for each operand: inputs, then outputs. Operands that are
 * left out have dtype 0. All of it is for one item: with a batch the operator runs for each. */
struct acc_host_image {
	__u32 magic;
	__u32 version; /* 1 */
	__u32 kernels;
	__u32 operands;
	__u32 attrs;
	__u32 data_bytes;
	/* struct acc_host_kernel[kernels], acc_host_operand[operands], acc_host_attr[attrs],
	 * then data_bytes of values. Operands and attributes of kernel k follow those of k - 1. */
};

struct acc_host_kernel {
	char op[ACC_NAME_BYTES];
	__u32 inputs, outputs, attrs;
	__u32 reserved;
};

struct acc_host_operand {
	__u32 dtype; /* enum acc_dtype, 0: left out */
	__u32 rank;
	acc_u64 dims[ACC_HOST_MAX_DIMS];
};

enum acc_host_attr_type {
	ACC_HOST_INT = 1,    /* one acc_s64 */
	ACC_HOST_FLOAT = 2,  /* one float */
	ACC_HOST_STRING = 3, /* `count` bytes */
	ACC_HOST_INTS = 4,   /* `count` acc_s64 */
	ACC_HOST_FLOATS = 5, /* `count` floats */
};

struct acc_host_attr {
	char name[ACC_NAME_BYTES];
	__u32 type;	/* enum acc_host_attr_type */
	__u32 count;	/* 1 for INT and FLOAT */
	acc_u64 offset; /* in the values */
};

/* --------------------------------------------------------------- .acc.model */

#define ACC_MODEL_MAGIC 0x4c444d41u /* "AMDL" */
#define ACC_MODEL_MAX_DIMS 6

enum acc_dtype {
	ACC_DTYPE_F32 = 1,
	ACC_DTYPE_I8 = 2,
	ACC_DTYPE_I32 = 3,
	/* Of the host agent alone, as inputs and outputs too. */
	ACC_DTYPE_U8 = 4,
	ACC_DTYPE_I16 = 5,
	ACC_DTYPE_U16 = 6,
	ACC_DTYPE_U32 = 7,
	ACC_DTYPE_I64 = 8,
	ACC_DTYPE_U64 = 9,
	ACC_DTYPE_BOOL = 10, /* bytes of 0 or 1 */
	ACC_DTYPE_F16 = 11,
	ACC_DTYPE_BF16 = 12,
	ACC_DTYPE_F64 = 13,
};

/*
 * A static plan. Tables follow the header in the order of its counts, each at its
 * offset from the section's start. For a batch of B, tensor t lives at
 * workspace + t.offset * B and has B * t.bytes bytes: offsets are 64-byte aligned.
 */
struct acc_model_header {
	__u32 magic;
	__u32 version; /* 1 */
	__u32 tensors, steps, relocs, deps;
	__u32 inputs, outputs;	 /* the first of the tensors are inputs, then outputs */
	acc_u64 workspace_bytes; /* for a batch of one */
	acc_u64 tensor_offset, step_offset, reloc_offset, dep_offset;
	acc_u64 kernarg_offset, kernarg_bytes;
};

struct acc_model_tensor {
	char name[ACC_NAME_BYTES];
	__u32 dtype; /* enum acc_dtype */
	__u32 rank;  /* 0: a scalar */
	__u32 dims[ACC_MODEL_MAX_DIMS];
	acc_u64 offset; /* in the workspace */
	acc_u64 bytes;
	float scale; /* of int8 tensors */
	__s32 zero_point;
};

/* One dispatch. Steps are in an order that respects deps; steps of one target run
 * in that order. */
struct acc_model_step {
	char name[ACC_NAME_BYTES]; /* node it came from */
	__u32 target;		   /* enum acc_target */
	__u32 kernel;		   /* index among the target's kernels */
	__u32 kernarg_bytes;
	__u32 kernarg_offset; /* in the kernarg table, 16-byte aligned */
	__u32 first_reloc, relocs;
	__u32 first_dep, deps; /* dep table: __u32 step numbers, of other targets */
};

enum acc_reloc_kind {
	ACC_RELOC_TENSOR = 1,  /* u64 at kernarg + field: address of tensor `index` + addend */
	ACC_RELOC_CONST = 2,   /* u64: address of .acc.const + addend */
	ACC_RELOC_BATCH32 = 3, /* u32: multiplied by the batch */
	ACC_RELOC_BATCH64 = 4, /* u64: multiplied by the batch */
};

struct acc_model_reloc {
	__u32 kind;
	__u32 field; /* byte in the step's kernargs */
	__u32 index;
	__u32 reserved;
	acc_u64 addend;
};

ACC_ASSERT_SIZE(struct acc_note_id, 88);
ACC_ASSERT_SIZE(struct acc_note_compat, 32);
ACC_ASSERT_SIZE(struct acc_unit_desc, 88);
ACC_ASSERT_SIZE(struct acc_kernel_desc, 72);
ACC_ASSERT_SIZE(struct acc_unit_resources, 40);
ACC_ASSERT_SIZE(struct acc_null_kernel, 48);
ACC_ASSERT_SIZE(struct acc_xbar_image, 16);
ACC_ASSERT_SIZE(struct acc_xbar_matrix, 32);
ACC_ASSERT_SIZE(struct acc_xbar_kernel, 16);
ACC_ASSERT_SIZE(struct acc_xisa_program, 64);
ACC_ASSERT_SIZE(struct acc_xisa_matrix, 40);
ACC_ASSERT_SIZE(struct acc_xisa_kernel, 40);
ACC_ASSERT_SIZE(struct acc_xisa_stream, 24);
ACC_ASSERT_SIZE(struct acc_xisa_data, 24);
ACC_ASSERT_SIZE(struct acc_xisa_port, 72);
ACC_ASSERT_SIZE(struct acc_fpga_image, 16);
ACC_ASSERT_SIZE(struct acc_fpga_kernel, 48);
ACC_ASSERT_SIZE(struct acc_signature, 104);
ACC_ASSERT_SIZE(struct acc_fpga_native, 48);
ACC_ASSERT_SIZE(struct acc_fpga_register, 16);
ACC_ASSERT_SIZE(struct acc_fpga_stage, 56);
ACC_ASSERT_SIZE(struct acc_fpga_edge, 24);
ACC_ASSERT_SIZE(struct acc_host_image, 24);
ACC_ASSERT_SIZE(struct acc_host_kernel, 64);
ACC_ASSERT_SIZE(struct acc_host_operand, 72);
ACC_ASSERT_SIZE(struct acc_host_attr, 64);
ACC_ASSERT_SIZE(struct acc_model_header, 88);
ACC_ASSERT_SIZE(struct acc_model_tensor, 104);
ACC_ASSERT_SIZE(struct acc_model_step, 80);
ACC_ASSERT_SIZE(struct acc_model_reloc, 24);

#endif /* ACC_PROGRAM_H */
