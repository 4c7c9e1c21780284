// SPDX-License-Identifier: MIT
//
// What travels between a client and the service of emulated devices: the uAPI's structs
// (drm/acc_drm.h) in an envelope, one message of a SOCK_SEQPACKET socket each, with at most
// one descriptor. Both ends run on one machine, so numbers are in its own byte order.
//
// A request is a Request and `size` bytes; its reply a Reply and `size` bytes. Replies come
// in any order: a WAIT blocks nobody else. An ioctl's payload is its struct, _IOC_SIZE bytes
// each way; the descriptor that DRM_ACC_FD_TABLE names travels with the message and its field
// holds what the sender likes (-1: none). Two ioctls never travel: VERSION, whose struct has
// pointers, is answered from Welcome; EVENT_SET by the client's side: the service sends one
// byte on the event socket for each event, and drops what does not fit, since a client that
// has unread bytes knows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acc::wire
{

constexpr uint32_t magic = 0x53434341; // "ACCS"
constexpr uint32_t version = 1;        // of what this header says
constexpr size_t most_bytes = 16384;   // of a payload: more than an ioctl's number can say

enum Kind : uint32_t {
    kind_hello = 1,  // Hello -> Welcome + the client's end of the event socket; first, and once
    kind_ioctl = 2,  // the struct -> the struct
    kind_map = 3,    // Map -> Mapped + what to mmap
    kind_inject = 4, // Inject -> nothing; EACCES without privilege
};

constexpr uint32_t flag_null = 1; // an ioctl whose argument is a null pointer: no payload

struct Request {
    uint64_t id; // the client's
    uint32_t kind;
    uint32_t command; // ioctl: the request number
    uint32_t size;    // bytes that follow
    uint32_t flags;
};
static_assert(sizeof(Request) == 24);

struct Reply {
    uint64_t id;
    int32_t error; // 0 or -errno
    uint32_t size; // bytes that follow
};
static_assert(sizeof(Reply) == 16);

struct Hello {
    uint32_t magic;
    uint32_t version;
    uint32_t device; // index
    uint32_t reserved;
};
static_assert(sizeof(Hello) == 16);

// Of a refusal only `version`, `devices` and `why` mean anything.
struct Welcome {
    uint32_t version;
    uint32_t devices; // how many there are
    int32_t driver_major, driver_minor, driver_patch;
    uint32_t reserved;
    char name[16], date[16], text[64]; // of the driver, NUL-terminated
    char why[128];                     // what was expected and what was found
};
static_assert(sizeof(Welcome) == 248);

struct Map {
    uint64_t offset, size;
    uint32_t prot; // PROT_*
    uint32_t reserved;
};
static_assert(sizeof(Map) == 24);

struct Mapped {
    uint64_t offset; // in the descriptor
};

struct Inject {
    uint32_t what; // enum acc_inject_what
    uint32_t count;
    uint64_t argument;
};
static_assert(sizeof(Inject) == 16);

} // namespace acc::wire
