#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the roles that tests dispatch, signed by a key of their own.

build_roles.py ACCCTL OUTDIR MANUAL FOLDER...: NAME.accx for each, and adder.accx of what the manual
shows, as it shows it; keys/test.pub, test.key.
"""

import os
import re
import shutil
import subprocess
import sys

accctl, out, manual = sys.argv[1:4]
keys = os.path.join(out, "keys")
shutil.rmtree(keys, ignore_errors=True)
os.makedirs(keys)
os.chmod(keys, 0o755)
subprocess.run([accctl, "role", "key", os.path.join(keys, "test")], check=True)
key = os.path.join(out, "test.key")
os.replace(os.path.join(keys, "test.key"), key)
example = os.path.join(out, "adder")
os.makedirs(example, exist_ok=True)
with open(manual, encoding="utf-8") as file:
    text = file.read()
for name, language in (("role.toml", "toml"), ("adder.sv", "systemverilog")):
    with open(os.path.join(example, name), "w", encoding="utf-8") as file:
        file.write(re.search(rf"```{language}\n(.*?)```", text, re.DOTALL).group(1))
for folder in (*sys.argv[4:], example):
    name = os.path.basename(folder)
    subprocess.run(
        [accctl, "role", "build", folder, "--key", key, "--cache", os.path.join(out, "cache"),
         "--output", os.path.join(out, name + ".accx")],
        check=True,
    )
with open(os.path.join(out, "roles.stamp"), "w", encoding="utf-8") as stamp:
    stamp.write("built\n")
