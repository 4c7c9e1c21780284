#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# demo.sh BUILD_DIR [OPTION...]: compiles the digits network and recognises every held-out
# digit on the emulated crossbar and FPGA. Options go to the program `digits`.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly here
if (($# < 1)); then
    echo "usage: demo.sh BUILD_DIR [OPTION...]" >&2
    exit 2
fi
build=$(readlink -f "$1")
readonly build program=$build/demo.accx
shift

say() {
    if [[ -t 1 ]]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}

say "Compiling digits.onnx: 8 bits, calibrated with 200 training images; where each node runs"
"$build/tools/accc/accc" "$here/digits.onnx" -o "$program" --calibrate "$here/calibration.npy"

say "Recognising the held-out digits"
"$build/examples/digits" "$program" "$here" --check "$@"
