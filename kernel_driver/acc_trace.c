// SPDX-License-Identifier: GPL-2.0-only
#include "acc_drv.h"

#define CREATE_TRACE_POINTS
#include "acc_trace.h"
