#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# kernel_check.sh [CACHE]: static checks of the kernel driver with the kernel's own tools: gcc with
# W=1, sparse, checkpatch.pl, and the semantic patches of coccicheck. Each must say nothing. Exit
# status 77, and why, where the kernel's packages can't be had.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
cache=$(realpath -m "${1:-build/kernel}")
found=$(python3 tests/kernel/lab.py --cache "$cache" --source scripts) || exit
KDIR=$(sed -n 's/^KDIR=//p' <<<"$found")
LINUX_SOURCE=$(sed -n 's/^LINUX_SOURCE=//p' <<<"$found")
failed=0
readonly cocci_seconds=900 # for all of coccicheck's patches, of which each has a minute

# Says how many lines a tool wrote, and the lines.
judge() { # WHAT FILE
    local lines
    lines=$(wc -l <"$2")
    printf -- '-- %-42s %s\n' "$1" "$lines"
    if ((lines)); then
        cat "$2"
        failed=1
    fi
}

tree=$cache/check
rm -rf "$tree"
mkdir -p "$tree"
cp -a kernel_driver include "$tree/"
log=$tree/make.log
if ! make -C "$KDIR" M="$tree/kernel_driver" W=1 C=2 CF=-D__CHECK_ENDIAN__ modules >"$log" 2>&1; then
    tail -n 40 "$log"
    failed=1
fi
grep -cq '^  CHECK ' "$log" || { echo "expected that sparse ran; found no trace of it"; failed=1; }
grep -E '(warning|error):' "$log" >"$tree/warnings" || true
judge "W=1 and sparse: warnings and errors" "$tree/warnings"

# Out of the kernel's tree a driver asks which kernel it is built for.
checkpatch() { # IGNORED FILE...
    local ignored=$1
    shift
    perl "$LINUX_SOURCE/scripts/checkpatch.pl" --no-tree --no-summary --terse --strict \
        --max-line-length=100 --ignore "LINUX_VERSION_CODE,CONSTANT_COMPARISON$ignored" -f "$@" \
        >>"$tree/checkpatch" 2>&1 || true
}
mapfile -t sources < <(find kernel_driver -name '*.[ch]' -not -name acc_trace.h | sort)
checkpatch "" "${sources[@]}"
# A TRACE_EVENT has a layout of its own.
checkpatch ,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT kernel_driver/acc_trace.h
judge "checkpatch.pl --strict: complaints" "$tree/checkpatch"

if command -v spatch >/dev/null; then
    : >"$tree/cocci"
    mapfile -t patches < <(grep -rl '^virtual.*report' "$LINUX_SOURCE/scripts/coccinelle" | sort)
    began=$SECONDS late=0
    for patch in "${patches[@]}"; do
        # Two or three of them search for minutes; all the rest take seconds.
        if ((SECONDS - began > cocci_seconds)) ||
            ! timeout 60 spatch --very-quiet -D report --no-includes --timeout 20 --sp-file "$patch" \
                kernel_driver/*.c >>"$tree/cocci" 2>>"$tree/cocci.log"; then
            late=$((late + 1))
            echo "   not to its end: ${patch#"$LINUX_SOURCE"/scripts/coccinelle/}"
        fi
    done
    judge "coccicheck, $((${#patches[@]} - late)) of ${#patches[@]} patches: reports" "$tree/cocci"
else
    echo "-- coccicheck: skipped, there is no spatch (package coccinelle)"
fi
exit "$failed"
