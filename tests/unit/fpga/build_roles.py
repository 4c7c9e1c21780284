#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the roles that tests dispatch, signed by a key of their own.

build_roles.py ACCCTL OUTDIR FOLDER...: NAME.accx for each, keys/test.pub, test.key.
"""

import os
import shutil
import subprocess
import sys

accctl, out = sys.argv[1:3]
keys = os.path.join(out, "keys")
shutil.rmtree(keys, ignore_errors=True)
os.makedirs(keys)
os.chmod(keys, 0o755)
subprocess.run([accctl, "role", "key", os.path.join(keys, "test")], check=True)
key = os.path.join(out, "test.key")
os.replace(os.path.join(keys, "test.key"), key)
for folder in sys.argv[3:]:
    name = os.path.basename(folder)
    subprocess.run(
        [accctl, "role", "build", folder, "--key", key, "--cache", os.path.join(out, "cache"),
         "--output", os.path.join(out, name + ".accx")],
        check=True,
    )
with open(os.path.join(out, "roles.stamp"), "w", encoding="utf-8") as stamp:
    stamp.write("built\n")
