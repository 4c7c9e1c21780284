# SPDX-License-Identifier: MIT
"""LLVM's compilers and OpenMP runtimes, of several versions at once: as the machine has them, or out
of Debian's packages, which can't be installed beside each other, unpacked into a folder."""

import os
import shutil
import subprocess

SYSTEM = "/usr/lib/llvm-{}"
# What a version's compiler needs; what the machine has is left out.
PACKAGES = {
    14: [],
    16: ["clang-tools-16", "libomp-16-dev", "libomp5-16"],
    19: ["clang-19", "clang-tools-19", "libclang-common-19-dev", "libclang-cpp19", "libllvm19",
         "libomp-19-dev", "libomp5-19"],
}


class Missing(Exception):
    """This version can't be had here; says why."""


class Llvm:
    """One version. `libraries` is where programs find libomp and libomptarget, and the host's own
    plugin beside them."""

    def __init__(self, version, root, compiler, prefixes):
        self.version = version
        self.compiler = compiler
        self.prefixes = prefixes
        self.libraries = [os.path.join(root, "lib")]
        self.includes = os.path.join(root, "lib", "clang",
                                     f"{version}.0.6" if version < 16 else str(version), "include")
        self.libraries += [folder for folder in [os.path.join(root, "..", "x86_64-linux-gnu")]
                           if not root.startswith("/usr/")]

    def environment(self):
        """For its programs, and for programs that it made."""
        path = [os.path.join(prefix, "bin") for prefix in self.prefixes]
        return {"PATH": ":".join([os.environ.get("PATH", "/usr/bin:/bin"), *path]),
                "LD_LIBRARY_PATH": ":".join(self.libraries)}

    def compile(self, source, output, *options):
        """A program with target regions for whatever has a plugin for x86-64."""
        command = [self.compiler, "-O2", "-g", "-Wall", "-Wextra", "-fopenmp",
                   "-fopenmp-targets=x86_64-acc-linux-gnu", f"-I{self.includes}",
                   f"-L{self.libraries[0]}", source, "-o", output, *options]
        if self.version >= 15:
            # Else a region that calls what no image has is an error of the linker's.
            command += ["-Xoffload-linker", "-z", "-Xoffload-linker", "undefs"]
        made = subprocess.run(command, capture_output=True, text=True, check=False,
                              env={**os.environ, **self.environment()})
        if made.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {made.returncode}\n{made.stderr}")


def find(version, cache):
    """A version, unpacked below `cache` if need be; Missing: why not."""
    system = SYSTEM.format(version)
    compiler = os.path.join(system, "bin", "clang")
    if version < 15:
        if not os.path.exists(compiler):
            raise Missing(f"no clang-{version}")
        if not os.path.exists(os.path.join(system, "lib", "libomptarget.so")):
            raise Missing(f"no OpenMP runtime for it (libomp-{version}-dev)")
        return Llvm(version, system, compiler, [system])
    folder = os.path.join(cache, f"llvm-{version}")
    root = os.path.join(folder, "usr", "lib", f"llvm-{version}")
    if not os.path.exists(os.path.join(folder, "complete")):
        unpack(PACKAGES[version], folder)
    mine = os.path.join(root, "bin", "clang")
    if not os.path.exists(mine):
        mine = compiler
    if not os.path.exists(mine):
        raise Missing(f"no clang-{version}")
    return Llvm(version, root, mine, [root, system])


def unpack(packages, folder):
    """As Debian has them today; kept until somebody removes the folder."""
    debs = folder + ".debs"
    shutil.rmtree(debs, ignore_errors=True)
    os.makedirs(debs)
    os.makedirs(folder, exist_ok=True)
    try:
        done = subprocess.run(["apt-get", "download", "-q", *packages], cwd=debs,
                              capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise Missing(f"apt-get could not download {' '.join(packages)}: "
                          f"{done.stderr.strip().splitlines()[-1:]}")
        for name in sorted(os.listdir(debs)):
            subprocess.run(["dpkg-deb", "-x", os.path.join(debs, name), folder], check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{' '.join(packages)}: {error}") from error
    finally:
        shutil.rmtree(debs, ignore_errors=True)
    with open(os.path.join(folder, "complete"), "w", encoding="utf-8"):
        pass
