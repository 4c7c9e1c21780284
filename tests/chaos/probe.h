// SPDX-License-Identifier: MIT
//
// What the devices of a service hold, over the seam alone: it makes nothing of its own, so
// that what it reads is the others'.
#pragma once

#include <cstdint>

namespace acc::chaos
{

// Opens each URI (';' between them) and answers lines on stdin, each with a line of JSON:
//   census  per device what all clients hold: bytes, pinned, busy slots
//   whole   makes buffers, queues and programs on the first device, each until the user's
//           quota refuses (8 × `quota` buffers, `quota` of the others are looked for, and one),
//           and says how many there were: fewer, when somebody who has gone still holds some
// until the end of stdin. The process's exit status: 0, or 1 with {"wrong": …}.
int probe(const char *uris, uint64_t quota);

} // namespace acc::chaos
