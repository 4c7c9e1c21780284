# SPDX-License-Identifier: MIT
"""What the lab is made of: a stock kernel and its headers out of Debian's packages, our module
built for it, and an initramfs with programs and all that they need."""

import argparse
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys

SKIP = 77
IMAGE = "linux-image-6.12-amd64"
# The module's own needs and nothing else of the kernel's 4,000 modules.
NEEDED_MODULES = ["drm", "drm_shmem_helper"]


class Missing(Exception):
    """The lab can't be had here; says why."""


def run(command, **options):
    """Its output; raises with the command's words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n"
                           f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def kernel_release(cache):
    """Of the kernel in the cache, or the newest that Debian's metapackage names, as
    6.12.1+deb12-amd64. A cache is kept until somebody removes it."""
    if os.path.isdir(cache):
        for name in sorted(os.listdir(cache), reverse=True):
            # A debug kernel beside it has a name of another kind.
            if name[0].isdigit() and os.path.exists(os.path.join(cache, name, "complete")):
                return name
    try:
        text = run(["apt-cache", "depends", IMAGE])
    except (OSError, RuntimeError) as error:
        raise Missing(f"apt-cache knows no {IMAGE}: {error}") from error
    found = re.search(r"Depends: linux-image-(\S+)", text)
    if not found:
        raise Missing(f"apt-cache knows no {IMAGE}; expected a package that it depends on")
    return found.group(1)


def write_changed(path, text):
    """Writes a file unless it has this text."""
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except OSError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def digest(*folders):
    """Of names and contents of all sources below these folders."""
    state = hashlib.sha256()
    for folder in folders:
        for root, names, files in os.walk(folder):
            names.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h", "Kbuild", "Makefile")) and not name.endswith(".mod.c"):
                    path = os.path.join(root, name)
                    state.update(os.path.relpath(path, folder).encode() + b"\0")
                    with open(path, "rb") as file:
                        state.update(file.read())
    return state.hexdigest()


def download(packages, folder):
    """Unpacks Debian packages into a folder, without installing them."""
    debs = folder + ".debs"
    shutil.rmtree(debs, ignore_errors=True)
    os.makedirs(debs)
    try:
        run(["apt-get", "download", "-q", *packages], cwd=debs)
    except RuntimeError as error:
        raise Missing(f"cannot download {' '.join(packages)}: {error}") from error
    for name in sorted(os.listdir(debs)):
        run(["dpkg-deb", "-x", os.path.join(debs, name), folder])
    shutil.rmtree(debs)


def tool(cache, package):
    """A package that is used and not installed, unpacked once. The folder."""
    folder = os.path.join(os.path.abspath(cache), "tools", package)
    if not os.path.exists(folder):
        shutil.rmtree(folder + ".part", ignore_errors=True)
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        download([package], folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


class Kernel:
    """A kernel image with its headers and modules, unpacked once into `cache`."""

    def __init__(self, cache):
        self.release = kernel_release(cache)
        version = self.release.removesuffix("-amd64")
        self.root = os.path.join(os.path.abspath(cache), self.release)
        self.image = os.path.join(self.root, "boot", f"vmlinuz-{self.release}")
        headers = os.path.join(self.root, "usr", "src")
        self.build = os.path.join(headers, f"linux-headers-{self.release}")
        # The headers name where they would be installed; so do they wherever the cache is moved.
        self.include = ("include $(dir $(lastword $(MAKEFILE_LIST)))../"
                        f"linux-headers-{version}-common/Makefile\n")
        makefile = os.path.join(self.build, "Makefile")
        if os.path.exists(os.path.join(self.root, "complete")):
            write_changed(makefile, self.include)
            return
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(cache, exist_ok=True)
        download([f"linux-image-{self.release}", f"linux-headers-{self.release}",
                  f"linux-headers-{version}-common", f"linux-kbuild-{version}"], self.root)
        write_changed(makefile, self.include)
        # With it kbuild would want pahole, to describe our types in terms of the kernel's.
        os.remove(os.path.join(self.build, "vmlinux"))
        run(["depmod", "-b", self.root, self.release])
        open(os.path.join(self.root, "complete"), "w", encoding="utf-8").close()

    def kunit(self, folder):
        """The path of kunit.ko, and what make needs to build suites for it."""
        build_kunit(self, folder)
        return os.path.join(folder, "kunit.ko"), [
            f"KBUILD_EXTRA_SYMBOLS={folder}/Module.symvers",
            f"ACC_KUNIT_CFLAGS=-DCONFIG_KUNIT_MODULE=1 -include {folder}/lab.h"]

    def module_files(self, names):
        """The .ko files of these modules and of what they need, in the order of loading."""
        base = os.path.join(self.root, "lib", "modules", self.release)
        needs = {}
        with open(os.path.join(base, "modules.dep"), encoding="utf-8") as file:
            for line in file:
                path, _, rest = line.partition(":")
                needs[path.strip()] = rest.split()
        by_name = {os.path.basename(path).split(".")[0].replace("-", "_"): path for path in needs}
        order = []
        for name in names:
            path = by_name[name]
            # modules.dep names what is needed, the last needed first.
            for one in [*reversed(needs[path]), path]:
                if one not in order:
                    order.append(one)
        return [os.path.join(base, path) for path in order]


def build_module(kernel, source, folder):
    """Builds our module and its KUnit suites in a copy of the source, so that the tree stays
    clean; nothing if nothing has changed. The paths of acc.ko, kunit.ko and acc_kunit.ko."""
    tree = os.path.join(folder, "kernel_driver")
    kunit, words = kernel.kunit(os.path.join(os.path.dirname(folder), "kunit"))
    made = [os.path.join(tree, "acc.ko"), kunit, os.path.join(tree, "kunit", "acc_kunit.ko")]
    parts = [os.path.join(source, name) for name in ("kernel_driver", "include")]
    stamp = os.path.join(folder, "stamp")
    # kbuild's own files name the folder.
    key = f"{digest(*parts)} {kernel.release} {os.path.realpath(folder)}\n"
    if os.path.exists(stamp) and all(map(os.path.exists, made)):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == key:
                return made
    if os.path.exists(stamp):
        os.remove(stamp)
    os.makedirs(folder, exist_ok=True)
    for part in parts:
        run(["cp", "-a", "-T", "--update", part, os.path.join(folder, os.path.basename(part))])
    log = run(["make", "-C", kernel.build, f"M={tree}", "modules"])
    log += run(["make", "-C", kernel.build, f"M={os.path.join(tree, 'kunit')}", *words, "modules"])
    write_changed(os.path.join(folder, "make.log"), log)
    write_changed(stamp, key)
    return made


# ------------------------------------------------------------------------------- initramfs

class Initramfs:
    """A tree of files for a guest, written as a cpio archive of the format newc."""

    def __init__(self, work):
        self.work = work  # for stripped copies
        self.entries = {}  # path -> (mode, bytes)
        os.makedirs(work, exist_ok=True)

    def _parents(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self._parents(parent)
            self.entries[parent] = (stat.S_IFDIR | 0o755, b"")

    def folder(self, path):
        self._parents(path)
        self.entries.setdefault(path, (stat.S_IFDIR | 0o755, b""))

    def text(self, path, content, mode=0o755):
        self._parents(path)
        self.entries[path] = (stat.S_IFREG | mode, content.encode())

    def link(self, path, target):
        self._parents(path)
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def file(self, path, source):
        self._parents(path)
        with open(source, "rb") as file:
            self.entries[path] = (stat.S_IFREG | os.stat(source).st_mode & 0o777, file.read())

    def module(self, path, source):
        """A module, unpacked if its package has it packed."""
        if source.endswith(".xz"):
            self._parents(path)
            data = subprocess.run(["xz", "-dc", source], capture_output=True, check=True).stdout
            self.entries[path] = (stat.S_IFREG | 0o644, data)
        else:
            self.file(path, source)

    def program(self, source, path=None):
        """A program, without its debug information, and its shared libraries."""
        path = path or "bin/" + os.path.basename(source)
        self._binary(source, path)
        for line in run(["ldd", source]).splitlines():
            found = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
            if not found:
                continue
            # The loader has its place in every program; the others are looked for by name.
            place = found.group(2)[1:] if not found.group(1) else "lib/" + found.group(1)
            if place not in self.entries:
                self._binary(os.path.realpath(found.group(2)), place)

    def _binary(self, source, path):
        stripped = os.path.join(self.work, path.replace("/", "_"))
        if not (os.path.exists(stripped) and os.path.getmtime(stripped) == os.path.getmtime(source)):
            run(["strip", "-g", "-p", "-o", stripped, source])
        self.file(path, stripped)

    def write(self, target):
        with open(target, "wb") as out:
            inode = 0
            for path in sorted(self.entries):
                inode += 1
                mode, data = self.entries[path]
                self._record(out, inode, path, mode, data)
            self._record(out, 0, "TRAILER!!!", 0, b"")

    @staticmethod
    def _record(out, inode, path, mode, data):
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields)
        out.write(head + name + b"\0" * (-(len(head) + len(name)) % 4))
        out.write(data + b"\0" * (-len(data) % 4))


# ----------------------------------------------------------------------------------- KUnit

# Stock kernels have no KUnit: its sources are built as a module of their own.
_KUNIT_OBJECTS = ("test resource static_stub string-stream assert try-catch executor attributes "
                  "device platform hooks").split()
_KUNIT_EDITS = (
    # struct module and struct task_struct of a stock kernel have no field of KUnit's: suites
    # are registered by the test module itself, and the running test is a variable.
    ("return register_module_notifier(&kunit_mod_nb);", "return ((void)&kunit_mod_nb, 0);"),
    ("unregister_module_notifier(&kunit_mod_nb);", ""),
    ("current->kunit_test", "kunit_lab_test"),
)


def kernel_source(kernel, names):
    """Parts of the kernel's source package, unpacked once. The folder."""
    version = ".".join(kernel.release.split(".")[:2])
    folder = os.path.join(kernel.root, f"linux-source-{version}")
    missing = [name for name in names if not os.path.exists(os.path.join(folder, name))]
    if missing:
        packed = os.path.join(kernel.root, "source")
        download([f"linux-source-{version}"], packed)
        archive = os.path.join(packed, "usr", "src", f"linux-source-{version}.tar.xz")
        run(["tar", "-xJf", archive, "-C", kernel.root,
             *(f"linux-source-{version}/{name}" for name in missing)])
        shutil.rmtree(packed)
    return folder


def build_kunit(kernel, folder):
    """kunit.ko for a kernel that was built without it. The folder with it and Module.symvers."""
    source = os.path.join(kernel_source(kernel, ["lib/kunit"]), "lib", "kunit")
    if os.path.exists(os.path.join(folder, "kunit.ko")):
        return folder
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(source):
        if not name.endswith((".c", ".h")):
            continue
        with open(os.path.join(source, name), encoding="utf-8") as file:
            text = file.read()
        for old, new in _KUNIT_EDITS:
            text = text.replace(old, new)
        if name == "hooks.c":
            text += "struct kunit *kunit_lab_test;\nEXPORT_SYMBOL(kunit_lab_test);\n"
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(folder, "lab.h"), "w", encoding="utf-8") as file:
        file.write("struct kunit;\nextern struct kunit *kunit_lab_test;\n")
    objects = " ".join(name + ".o" for name in _KUNIT_OBJECTS)
    with open(os.path.join(folder, "Kbuild"), "w", encoding="utf-8") as file:
        file.write(f"obj-m := kunit.o\nkunit-y := {objects}\n"
                   "ccflags-y := -DCONFIG_KUNIT_MODULE=1 -include $(src)/lab.h\n")
    run(["make", "-C", kernel.build, f"M={folder}", "modules"])
    return folder


def main():
    """Prints where a kernel's headers are, and parts of its source: KDIR=…, LINUX_SOURCE=…"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cache", default="build/kernel")
    parser.add_argument("--source", action="append", default=[], help="a folder of the source")
    options = parser.parse_args()
    try:
        kernel = Kernel(options.cache)
        print(f"KDIR={kernel.build}")
        if options.source:
            print(f"LINUX_SOURCE={kernel_source(kernel, options.source)}")
    except Missing as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return SKIP
    return 0


if __name__ == "__main__":
    sys.exit(main())
