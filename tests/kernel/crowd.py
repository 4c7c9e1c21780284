# SPDX-License-Identifier: MIT
"""The crowd of docs/crowd.md on /dev/accel: two OpenMP programs, gcc's and clang's, an OpenCL one, an HSA
one and a compiled network on one card of two regions. Python is too large for this machine, so the
OpenCL program is one in C, and brings its kernel compiled."""

import json
import os
import subprocess
import sys

import steps

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openmp"))
import llvm

TOGETHER_S = 10
BETWEEN_KILLS_S = 2
START_S = 600  # a processor that is emulated, on a machine that others use
WORST_S = 300  # of a round: not a bound of speed, but of starvation
CARDS = ["crossbar", "fpga:regions=2"]
OMP = "OMP_TARGET_OFFLOAD=MANDATORY"


class Member:
    """A program of tests/openmp/crowd, its arguments and environment in the machine, and what it loads of
    this build there."""

    def __init__(self, source, arguments="", environment="", loads=""):
        self.source, self.arguments, self.environment = source, arguments, environment
        self.loads = loads


MEMBERS = {
    "gcc": Member("regions.c", environment=OMP,
                  loads="libacc/interop/openmp/libgomp-plugin-gcn.so.1"),
    "clang": Member("regions.c", environment=OMP,
                    loads="libacc/interop/openmp/libomptarget.rtl.ppc64.so"),
    "hsa": Member("hsa.c", "/crowd/bench.accx", loads="libacc/interop/hsa/libhsa-runtime64.so.1"),
    "opencl": Member("opencl.c", environment="OCL_ICD_VENDORS=/crowd/acc.icd",
                     loads="libacc/interop/opencl/libacc-opencl.so"),
    "network": Member("network.c", "/crowd/digits.accx /digits/test_images.npy",
                      loads="libacc/libacc.so"),
}


def compile_clang(lab, source, program):
    """By clang 14, with a device image that our plugin takes."""
    try:
        llvm.find(14, os.path.dirname(lab.build)).compile(source, program)
    except (llvm.Missing, RuntimeError) as error:
        print(f"-- {error}")
        return False
    return True


def compile_gcc(lab, name, source, program):
    options = {"gcc": ["-fopenmp", "-foffload=disable"], "opencl": ["-lOpenCL"]}.get(
        name, [lab.path(MEMBERS[name].loads)])
    include = os.path.join(lab.source, "include")
    return subprocess.run(
        ["gcc", "-O2", source, "-o", program, "-I", include, "-I", os.path.join(include, "uapi"),
         "-I", "/usr/include/libdrm", *options, f"-Wl,-rpath,{lab.path('libacc')}",
         f"-Wl,-rpath,{lab.path('libacc/interop/hsa')}"], check=False).returncode == 0


def compile_opencl(lab, files):
    """The OpenCL program's kernel: here, since the machine has no compiler."""
    source = os.path.join(lab.source, "tests", "openmp", "crowd", "twice.cl")
    made = os.path.join(lab.work, "twice.accx")
    done = subprocess.run(
        [lab.path("tools/accctl/accctl"), "cl", "compile", source, "-o", made],
        check=False, env={**os.environ, "LD_LIBRARY_PATH": lab.path("libacc"),
                          "OCL_ICD_VENDORS": lab.path("libacc/interop/opencl/acc.icd")})
    if done.returncode:
        print("-- the crowd's OpenCL program is without OpenCL C")
        return
    files.file("crowd/twice.accx", made)
    MEMBERS["opencl"].arguments = "/crowd/twice.accx"


def pack(lab, files):
    """What of them this build has, with what they need; the names go to `lab.crowd`."""
    lab.crowd = []
    for name, member in MEMBERS.items():
        source = os.path.join(lab.source, "tests", "openmp", "crowd", member.source)
        program = os.path.join(lab.work, "crowd_" + name)
        made = os.path.exists(lab.path(member.loads)) and (
            compile_clang(lab, source, program) if name == "clang"
            else compile_gcc(lab, name, source, program))
        if not made:
            print(f"-- left out of the crowd: {name}")
            continue
        files.program(program)
        files.program(lab.path(member.loads), "lib/" + os.path.basename(member.loads))
        lab.crowd.append(name)
    if "opencl" in lab.crowd:
        compile_opencl(lab, files)
    bench = os.path.join(lab.work, "bench.accx")
    subprocess.run([lab.program("tools/mkimage/mkimage"), "bench", bench], check=True)
    files.file("crowd/bench.accx", bench)
    files.file("crowd/digits.accx", lab.program("examples/digits.accx"))
    files.text("crowd/acc.icd", "/lib/libacc-opencl.so\n", 0o644)


def start(machine, name):
    """A line of shell that starts one; it ends by itself once there is a file /tmp/end."""
    devices = [steps.node_of(machine, "crossbar"), steps.node_of(machine, "fpga")]
    if name != "network":
        devices = devices[1:]
    member = MEMBERS[name]
    return (f"rm -f /tmp/{name}; until [ -e /tmp/end ]; do sleep 1; done | env LD_LIBRARY_PATH=/lib "
            f"'ACC_DEVICE={';'.join(devices)}' {member.environment} crowd_{name} {member.arguments} "
            f">/tmp/{name} 2>&1 & {name}=$!")


def begun(members):
    """A line that waits until each has had its first round, or has ended."""
    return "; ".join(f"until grep -q begun /tmp/{name} || ! kill -0 ${name}; do sleep 1; done"
                     for name in members)


def cases_of(label, members, output):
    """One for each: what it printed last is right."""
    cases = []
    for name in members:
        text = output.partition(f"-- {name}\n")[2].partition("-- end")[0]
        try:
            found = json.loads(text.strip().splitlines()[-1])
            good = (found["wrong"] == 0 and found["rounds"] > 0 and "wrong:" not in text
                    and found["worst_us"] < WORST_S * 1e6)
        except (IndexError, ValueError):
            good = False
        cases.append(steps.check(f"{label}: {name}", good, text))
        if good:
            print(f"   {name:8} {found['rounds']} rounds, p50 {found['p50_us']:.0f} us, p95 "
                  f"{found['p95_us']:.0f} us, worst {found['worst_us']:.0f} us")
    return cases


def crowd(lab, machine):
    """All together; then each is killed while the others run, and starts again."""
    members = lab.crowd
    show = "; ".join(f"echo -- {name}; cat /tmp/{name}; echo -- end" for name in members)
    begin = "rm -f /tmp/end; " + "; ".join(start(machine, name) for name in members)
    end = f"sleep {TOGETHER_S}; touch /tmp/end; wait; {show}"
    _, output = machine.run(f"{begin}; {begun(members)}; {end}", START_S)
    cases = cases_of("crowd", members, output)
    status, listed = machine.run(f"accctl -j -d {steps.node_of(machine, 'fpga')} region list")
    loads = sum(one["loads"] for one in json.loads(listed)["regions"]) if status == 0 else 0
    print(f"   {loads} loads into 2 regions")
    cases.append(steps.check("crowd: regions were loaded for others", loads > len(members), listed))
    kills = "; ".join(f"sleep {BETWEEN_KILLS_S}; kill -9 ${name}; grep wrong /tmp/{name}; "
                      f"{start(machine, name)}; {begun([name])}" for name in members)
    _, output = machine.run(f"{begin}; {begun(members)}; {kills}; {end}", 3 * START_S)
    return cases + cases_of("crowd, each killed in turn", members, output)
