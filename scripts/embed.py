#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An assembler source that holds a file's bytes between two symbols."""

import os
import sys

path = os.path.abspath(sys.argv[1])
name = sys.argv[3]
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write(
        f"""    .section .rodata
    .globl {name}, {name}_end
    .hidden {name}, {name}_end
    .balign 16
{name}:
    .incbin "{path}"
{name}_end:
    .byte 0
    .section .note.GNU-stack,"",@progbits
"""
    )
