#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# explore.sh BUILD_DIR OUT_DIR: the digits network on crossbars that differ: resolution of the
# ADCs, programming noise, drift without and with compensation. Makes the plots of
# docs/explore/. Interrupted, the same command goes on where it stopped.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly here
if (($# != 2)); then
    echo "usage: explore.sh BUILD_DIR OUT_DIR" >&2
    exit 2
fi
build=$(readlink -f "$1")
mkdir -p "$2"
out=$(readlink -f "$2")
readonly build out

explore() { # NAME TITLE OPTION...
    local name=$1 title=$2
    shift 2
    "$build/tools/accctl/accctl" explore "$here/digits.onnx" --accc "$build/tools/accc/accc" \
        --calibrate "$here/calibration.npy" --data "$here/test_images.npy" \
        --labels "$here/test_labels.npy" --out "$out/$name" --title "$title" "$@"
}

explore adc "digits: accuracy against ADC bits" --vary adc_bits=5:10
explore noise "digits: accuracy against programming noise" \
    --set prog_model=normal_abs --vary prog_sigma=0:0.1:0.02 --vary seed=1:3
explore drift "digits: accuracy against time since programming, s" \
    --set prog_model=pcm --set g_on=25 \
    --vary age=1,60,3600,86400,2592000,31536000 --vary compensate=0,1
