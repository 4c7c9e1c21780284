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

# Programs take seconds to start on a processor that is emulated.
TOGETHER_S = 20
BETWEEN_KILLS_S = 4
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


def start(machine, name, seconds):
    """A line of shell that starts one; it ends by itself after that time."""
    devices = [steps.node_of(machine, "crossbar"), steps.node_of(machine, "fpga")]
    if name != "network":
        devices = devices[1:]
    member = MEMBERS[name]
    return (f"sleep {seconds} | env LD_LIBRARY_PATH=/lib 'ACC_DEVICE={';'.join(devices)}' "
            f"{member.environment} crowd_{name} {member.arguments} >>/tmp/{name} 2>&1 & {name}=$!")


def cases_of(label, members, output):
    """One for each: what it printed last is right."""
    cases = []
    for name in members:
        text = output.partition(f"-- {name}\n")[2].partition("-- end")[0]
        try:
            found = json.loads(text.strip().splitlines()[-1])
            good = found["wrong"] == 0 and found["rounds"] > 0 and "wrong:" not in text
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
    clear = "rm -f " + " ".join(f"/tmp/{name}" for name in members)
    begin = "; ".join(start(machine, name, TOGETHER_S) for name in members)
    _, output = machine.run(f"{clear}; {begin}; wait; {show}", 300)
    cases = cases_of("crowd", members, output)
    status, listed = machine.run(f"accctl -j -d {steps.node_of(machine, 'fpga')} region list")
    loads = sum(one["loads"] for one in json.loads(listed)["regions"]) if status == 0 else 0
    print(f"   {loads} loads into 2 regions")
    cases.append(steps.check("crowd: regions were loaded for others", loads > len(members), listed))
    begin = "; ".join(start(machine, name, BETWEEN_KILLS_S * len(members) + TOGETHER_S)
                      for name in members)
    kills = "; ".join(f"sleep {BETWEEN_KILLS_S}; kill -9 ${name}; grep wrong /tmp/{name}; "
                      f"{start(machine, name, TOGETHER_S)}" for name in members)
    _, output = machine.run(f"{clear}; {begin}; {kills}; wait; {show}", 300)
    cases += cases_of("crowd, each killed in turn", members, output)
    return cases
