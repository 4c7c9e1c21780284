#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one libFuzzer target for a while: a corpus of seeds first, then mutations of it.

run_fuzzer.py SECONDS TARGET [LIBFUZZER-OPTION | FOLDER-OF-INPUTS...]
"""

import subprocess
import sys
import tempfile


def main():
    seconds, target, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as corpus:
        subprocess.run([target, "--seeds", corpus], check=True)
        return subprocess.run(
            [target, corpus, f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=2048",
             # A finding is 77 unless told otherwise, which Meson takes for a skipped test.
             "-print_final_stats=1", "-error_exitcode=1", *options]
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
