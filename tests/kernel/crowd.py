# SPDX-License-Identifier: MIT
"""The crowd of docs/crowd.md on /dev/accel: an HSA program, an OpenCL one and a compiled network on one
card of two regions. OpenMP's target regions, and OpenCL C, are a client's code, whose process maps the
client's memory: of an emulated card that is a part of the whole machine's, which no such process is
given. That is refused, by name."""

import json
import os
import subprocess

import steps

# Programs take seconds to start on a processor that is emulated.
TOGETHER_S = 12
BETWEEN_KILLS_S = 3
CARDS = ["crossbar", "fpga:regions=2"]
# Programs of tests/openmp/crowd: what each is compiled with and needs, its arguments and environment.
MEMBERS = {
    "hsa": (["libacc/interop/hsa/libhsa-runtime64.so.1"], "/crowd/bench.accx", ""),
    "opencl": (["-lOpenCL"], "", "OCL_ICD_VENDORS=/crowd/acc.icd"),
    "network": (["libacc/libacc.so"], "/crowd/digits.accx /digits/test_images.npy", ""),
    "regions": (["-fopenmp", "-foffload=disable"], "", "OMP_TARGET_OFFLOAD=MANDATORY"),
}
LOADED = {"opencl": "libacc/interop/opencl/libacc-opencl.so",
          "regions": "libacc/interop/openmp/libgomp-plugin-gcn.so.1"}
REFUSED = "regions"


def pack(lab, files):
    """What of them this build has, with what they need; the names go to `lab.crowd`."""
    lab.crowd = []
    sources = os.path.join(lab.source, "tests", "openmp", "crowd")
    include = os.path.join(lab.source, "include")
    folders = [lab.path("libacc"), lab.path("libacc/interop/hsa")]
    for name, (options, _, _) in MEMBERS.items():
        needs = [lab.path(one) for one in [*options, LOADED.get(name, "")] if "/" in one]
        program = os.path.join(lab.work, "crowd_" + name)
        made = all(os.path.exists(path) for path in needs) and subprocess.run(
            ["gcc", "-O2", os.path.join(sources, name + ".c"), "-o", program, "-I", include,
             "-I", os.path.join(include, "uapi"), "-I", "/usr/include/libdrm",
             *[lab.path(one) if "/" in one else one for one in options],
             *[f"-Wl,-rpath,{folder}" for folder in folders]], check=False).returncode == 0
        if not made:
            print(f"-- left out of the crowd: {name}")
            continue
        files.program(program)
        if name in LOADED:
            files.program(lab.path(LOADED[name]), "lib/" + os.path.basename(LOADED[name]))
        lab.crowd.append(name)
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
    _, arguments, environment = MEMBERS[name]
    return (f"sleep {seconds} | env LD_LIBRARY_PATH=/lib 'ACC_DEVICE={';'.join(devices)}' {environment} "
            f"crowd_{name} {arguments} >>/tmp/{name} 2>&1 & {name}=$!")


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
    members = [name for name in lab.crowd if name != REFUSED]
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
    if REFUSED in lab.crowd:
        line = start(machine, REFUSED, 1).partition("&1 & ")[0].replace(">>/tmp/regions 2>", "2>&1")
        status, output = machine.run(line, 60)
        cases.append(steps.check("crowd: target regions are refused", status == 1 and (
            "INVALID_ADDRESS: expected its memory; found it unbound") in output, output))
    return cases
