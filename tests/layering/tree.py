# SPDX-License-Identifier: MIT
"""The files of the tree, and C and C++ without their comments: for the lint tests."""

import os
import re
import subprocess

C_SUFFIXES = (".c", ".h", ".cc", ".hpp")


def files(root):
    """Paths relative to root: those that git tracks or would track, else all but build/."""
    listing = subprocess.run(
        ["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    inside = os.path.exists(os.path.join(root, ".git"))
    if listing.returncode == 0 and inside:
        names = [name for name in listing.stdout.decode().split("\0") if name]
    else:
        names = []
        for folder, folders, found in os.walk(root):
            folders[:] = [f for f in folders if f not in ("build", ".git", "__pycache__")]
            names += [os.path.relpath(os.path.join(folder, name), root) for name in found]
    return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))


def read(root, path):
    """The text of a file, or None if it is binary."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>\'(?:\\.|[^\'\\\n])+\')', re.DOTALL
)


def without_comments(text, keep_strings=True):
    """C or C++ with comments (and, if asked, what is in strings) blanked; lines stay lines."""

    def blank(match):
        if match.group("char") or (match.group("string") and keep_strings):
            return match.group(0)
        if match.group("string"):
            return '""'
        return "\n" * match.group(0).count("\n") + " "

    return _TOKEN.sub(blank, text)
