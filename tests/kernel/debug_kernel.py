#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small kernel with KASAN, lockdep, kmemleak and fault injection, built once out of Debian's
source package into the lab's cache: for vm.Machine and for our modules like a stock one."""

import argparse
import hashlib
import os
import shutil
import sys

import lab

HERE = os.path.dirname(os.path.abspath(__file__))
FRAGMENT = os.path.join(HERE, "debug.config")
# Sources of what is never configured; their Kconfig files are read all the same.
LEFT_OUT = [f"*/{folder}/*.[chS]" for folder in (
    "drivers/gpu/drm/amd", "drivers/gpu/drm/i915", "drivers/gpu/drm/nouveau", "drivers/gpu/drm/msm",
    "drivers/gpu/drm/xe", "drivers/gpu/drm/radeon", "drivers/net/ethernet", "drivers/net/wireless",
    "drivers/media", "drivers/staging", "drivers/scsi", "drivers/infiniband", "sound")]
LEFT_OUT += [f"*/arch/{name}/*.[chS]" for name in (
    "alpha arc arm arm64 csky hexagon loongarch m68k microblaze mips nios2 openrisc parisc powerpc "
    "riscv s390 sh sparc xtensa").split()]
LEFT_OUT += ["*/Documentation/*.rst", "*/Documentation/*.yaml", "*/Documentation/*.txt", "*.dts",
             "*.dtsi", "*/tools/testing/*", "*/tools/perf/*"]

# KASAN watches our module, and of the kernel's own sources those that handle what is the
# module's: all of them would double the time to build it and, without hardware assistance, to run.
WATCHED = """drm_accel drm_drv drm_file drm_gem drm_gem_shmem_helper drm_ioctl drm_managed drm_prime drm_vma_manager
    dma-buf dma-resv udmabuf eventfd completion mutex semaphore swait wait workqueue timer hrtimer srcutree
    dmapool pool debug devres xarray list_debug maple_tree scatterlist kref refcount vmalloc util shmem""".split()


class DebugKernel:
    """As lab.Kernel: image, headers to build modules with, no module of its own but KUnit."""

    def __init__(self, cache, jobs=2):
        stock = lab.Kernel(cache)
        version = ".".join(stock.release.split(".")[:2])
        with open(FRAGMENT, "rb") as file:
            key = hashlib.sha256(file.read() + stock.release.encode()).hexdigest()[:12]
        self.root = os.path.join(os.path.abspath(cache), f"debug-{key}")
        self.source = os.path.join(self.root, f"linux-source-{version}")
        self.build = os.path.join(self.root, "build")
        self.image = os.path.join(self.build, "arch", "x86", "boot", "bzImage")
        self.release = f"{stock.release.split('+')[0]}-debug"
        if not os.path.exists(os.path.join(self.root, "complete")):
            self._unpack(version)
            self._make(jobs)
            open(os.path.join(self.root, "complete"), "w", encoding="utf-8").close()

    def module_files(self, _):
        """DRM and its helpers are built in."""
        return []

    def kunit(self, _):
        """As lab.Kernel's; a kernel with KUnit needs no words of ours."""
        return os.path.join(self.build, "lib", "kunit", "kunit.ko"), []

    def _unpack(self, version):
        if os.path.exists(os.path.join(self.source, "unpacked")):
            return
        packed = os.path.join(self.root, "package")
        os.makedirs(self.root, exist_ok=True)
        if not os.path.exists(packed):
            lab.download([f"linux-source-{version}"], packed)
        archive = os.path.join(packed, "usr", "src", f"linux-source-{version}.tar.xz")
        lab.run(["tar", "-xJf", archive, "-C", self.root,
                 *(f"--exclude={pattern}" for pattern in LEFT_OUT)])
        shutil.rmtree(packed)
        open(os.path.join(self.source, "unpacked"), "w", encoding="utf-8").close()

    def _make(self, jobs):
        make = ["make", "-C", self.source, f"O={self.build}", "ARCH=x86_64",
                "KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=acc", "KBUILD_BUILD_HOST=lab",
                "KASAN_SANITIZE=n", *(f"KASAN_SANITIZE_{name}.o=y" for name in WATCHED)]
        os.makedirs(self.build, exist_ok=True)
        lab.run([*make, "tinyconfig"])
        lab.run([os.path.join(self.source, "scripts", "kconfig", "merge_config.sh"), "-m", "-O",
                 self.build, os.path.join(self.build, ".config"), FRAGMENT])
        lab.run([*make, "olddefconfig"])
        self._expect()
        lab.run(["nice", "-n", "10", *make, f"-j{jobs}", "bzImage", "modules"])

    def _expect(self):
        """Every line of the fragment has come true."""
        with open(os.path.join(self.build, ".config"), encoding="utf-8") as file:
            got = set(file.read().splitlines())
        with open(FRAGMENT, encoding="utf-8") as file:
            asked = [line.strip() for line in file if line.startswith("CONFIG_")]
        missing = [line for line in asked if line not in got
                   and not (line.endswith("=n") and not any(g.startswith(line[:-1]) for g in got))]
        if missing:
            raise RuntimeError(f"expected these in the kernel's .config; found none: {missing}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="build/kernel")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    try:
        kernel = DebugKernel(options.cache, options.jobs)
    except lab.Missing as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return lab.SKIP
    print(f"KDIR={kernel.build}\nIMAGE={kernel.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
