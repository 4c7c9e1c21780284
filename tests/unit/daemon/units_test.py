#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The systemd units, as they will be installed but with a program that is there, are good to
systemd-analyze, and the sysusers file makes the user and group that they name. Says why
and skips where systemd's tools are not here."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def problems_of_units(folder, units):
    """What systemd-analyze has to say of the units; none: they are good."""
    paths = [os.path.join(folder, name) for name in units]
    result = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths)
    text = result.stdout + result.stderr
    # Other units of this machine are none of ours.
    ours = [line for line in text.splitlines() if "accemud" in line]
    if result.returncode != 0 or ours:
        return [f"systemd-analyze verify: exit status {result.returncode}"] + text.splitlines()
    return []


def problems_of_sysusers(path, names):
    if not shutil.which("systemd-sysusers"):
        print("not checked: sysusers, as there is no systemd-sysusers here")
        return []
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "etc"))
        result = run("systemd-sysusers", f"--root={root}", path)
        if result.returncode != 0:
            return [f"systemd-sysusers: exit status {result.returncode}", result.stderr]
        problems = []
        for file in ("passwd", "group"):
            with open(os.path.join(root, "etc", file), encoding="utf-8") as lines:
                found = {line.split(":")[0] for line in lines}
            problems += [f"expected {name} in {file}; found {found}" for name in names - found]
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="emulator/accemud/system")
    parser.add_argument("service", help="the configured accemud.service")
    options = parser.parse_args()
    with open(options.service, encoding="utf-8") as file:
        service = file.read()
    socket_path = os.path.join(options.source, "accemud.socket")
    with open(socket_path, encoding="utf-8") as file:
        socket = file.read()
    names = set(re.findall(r"^(?:Socket)?(?:User|Group)=(.*)$", service + socket, re.M))
    problems = [] if names == {"acc"} else [f"expected user and group acc; found {names}"]
    if "@" in re.sub(r"=@system-service$|^#.*$", "", service, flags=re.M):
        problems.append(f"expected a configured unit; found\n{service}")
    problems += problems_of_sysusers(os.path.join(options.source, "acc.conf"), names)
    if not shutil.which("systemd-analyze"):
        print("\n".join(problems) or "skipped: there is no systemd-analyze here")
        return 1 if problems else SKIP
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(socket_path, folder)
        with open(os.path.join(folder, "accemud.service"), "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=\S+", "ExecStart=" + shutil.which("true"), service, flags=re.M))
        problems += problems_of_units(folder, ["accemud.service", "accemud.socket"])
        # What it would say of a unit that is wrong, so that silence means something.
        with open(os.path.join(folder, "accemud.service"), "a", encoding="utf-8") as file:
            file.write("\n[Service]\nNonsense=yes\n")
        if not problems_of_units(folder, ["accemud.service"]):
            problems.append("expected systemd-analyze to name an unknown key; found silence")
    print("\n".join(problems) or "the units and the user are good")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
