/* SPDX-License-Identifier: MIT */
/*
 * What the runtime of OpenMP programs and its role in a region tell each other: the arguments of
 * kernel "acc_omp_target", and the memory that they name. docs/openmp.md explains it.
 *
 * The role is a loader: it maps the ELF object that holds the outlined function of a target
 * region, as its file is, and calls the function. All memory is the client's, by device address;
 * objects and tables are read by the role and never written.
 *
 * An object whose variables the client knows is placed by the client: its segments lie in memory
 * of the client's, relocated but for what others define. The role maps code over that memory, for
 * itself, and fills in the addresses of its own functions; variables are shared, and outlive the
 * region's process.
 *
 * Ordering: what the client wrote before it published the dispatch is seen by the role; what
 * the role wrote is seen by who has seen the completion signal. Nothing else is shared.
 */
#ifndef ACC_OPENMP_REGION_ABI_H
#define ACC_OPENMP_REGION_ABI_H

#include "acc/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ACC_OMP_ABI 1u
#define ACC_OMP_KERNEL "acc_omp_target" /* and the role's name */

/* Bytes of the role's image that the client replaces by ones of its own: a region's process
 * belongs to one client, so that two programs' images had better not be the same unit. */
#define ACC_OMP_NONCE_BYTES 32
#define ACC_OMP_NONCE "acc.openmp.client............."

/* How the outlined function is called. */
enum acc_omp_call {
    ACC_OMP_CALL_NONE = 0,  /* not at all: maps the object, and says what is wrong with it */
    ACC_OMP_CALL_BLOCK = 1, /* void f(void *arguments), as GCC does */
    ACC_OMP_CALL_LIST = 2,  /* void f(a0, a1, ...) of 8 bytes each, as LLVM does */
};

#define ACC_OMP_MAX_ARGUMENTS 64 /* of a list */

/* The kernel arguments. */
struct acc_omp_launch {
    __u32 abi;      /* ACC_OMP_ABI */
    __u32 call;     /* enum acc_omp_call */
    acc_u64 object; /* the file's bytes */
    acc_u64 object_bytes;
    acc_u64 object_id; /* not 0; names these bytes as long as the client lives */
    acc_u64 entry;     /* of the function: a virtual address as the object's symbols have it */
    acc_u64 arguments; /* BLOCK: what it is given; LIST: acc_u64[argument_count] */
    __u32 argument_count;
    __u32 ranges;
    acc_u64 range_table;      /* struct acc_omp_range[ranges] */
    acc_u64 range_generation; /* another number when the table has changed */
    acc_u64 output;           /* struct acc_omp_output, or 0 */
    acc_u64 place;            /* where the object has been laid out, and 8 bytes more; or 0 */
    __u32 thread_limit;       /* of the target construct; 0: none */
    __u32 flags;              /* ACC_OMP_CANCELLATION */
    /* The program's streams, which code of its may name: their addresses there. */
    acc_u64 host_stdout, host_stderr;
};

#define ACC_OMP_CANCELLATION (1u << 0) /* `cancel` does what it says (OMP_CANCELLATION) */

/* Memory that the function may reach: mapped before it starts, since any of its threads may be
 * the first to touch it. */
struct acc_omp_range {
    acc_u64 address, bytes;
};

/* What the function printed to stdout and stderr. */
struct acc_omp_output {
    __u32 room; /* bytes at `text`; set by the client */
    __u32 used; /* of them; set by the role */
    __u32 lost; /* bytes that found no room */
    __u32 reserved;
    char text[];
};

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
#define ACC_OMP_ASSERT static_assert
#else
#define ACC_OMP_ASSERT _Static_assert
#endif
#define ACC_OMP_OFFSET(type, member, at)                                                           \
    ACC_OMP_ASSERT(__builtin_offsetof(struct type, member) == (at), #type "." #member)

ACC_OMP_ASSERT(sizeof(struct acc_omp_launch) == 112, "acc_omp_launch");
ACC_OMP_OFFSET(acc_omp_launch, call, 4);
ACC_OMP_OFFSET(acc_omp_launch, object, 8);
ACC_OMP_OFFSET(acc_omp_launch, object_bytes, 16);
ACC_OMP_OFFSET(acc_omp_launch, object_id, 24);
ACC_OMP_OFFSET(acc_omp_launch, entry, 32);
ACC_OMP_OFFSET(acc_omp_launch, arguments, 40);
ACC_OMP_OFFSET(acc_omp_launch, argument_count, 48);
ACC_OMP_OFFSET(acc_omp_launch, ranges, 52);
ACC_OMP_OFFSET(acc_omp_launch, range_table, 56);
ACC_OMP_OFFSET(acc_omp_launch, range_generation, 64);
ACC_OMP_OFFSET(acc_omp_launch, output, 72);
ACC_OMP_OFFSET(acc_omp_launch, place, 80);
ACC_OMP_OFFSET(acc_omp_launch, thread_limit, 88);
ACC_OMP_OFFSET(acc_omp_launch, flags, 92);
ACC_OMP_OFFSET(acc_omp_launch, host_stdout, 96);
ACC_OMP_ASSERT(sizeof(struct acc_omp_range) == 16, "acc_omp_range");
ACC_OMP_ASSERT(sizeof(struct acc_omp_output) == 16, "acc_omp_output");
ACC_OMP_ASSERT(sizeof(ACC_OMP_NONCE) <= ACC_OMP_NONCE_BYTES, "acc_omp nonce");

#undef ACC_OMP_OFFSET
#undef ACC_OMP_ASSERT

#endif /* ACC_OPENMP_REGION_ABI_H */
