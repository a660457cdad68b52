#!/usr/bin/env python3
"""Runs test kernels natively and under the monitor and compares what they print, byte for byte.

    tests/guests/run.py [--machine native|svm|both] [--jobs N] [--keep DIR] [--once] [--limit S] [--args WORDS] [NAME...]

Each directory tests/guests/NAME with a main.c is one test. A line " * guest: ..." in its head comment gives options:

    cpus=N memory=MIB   of the machine (1, 64)
    disk=MIB            a virtio disk with a known pattern
    end=reset           the guest resets the machine once; natively the run ends there, the monitor starts it again
    machines=svm        not run natively (the reason stands in the head comment)
    args=WORDS          words for the command line, joined by +
    seeds=N             run N times, with seed=1 to N on the command line
    beside-args=WORDS   words for the other's command line
    beside=NAME         under the monitor also run beside that test kernel, with the same output
    processors=N        of the machine under the monitor (as cpus)
    clock=virtual       time is the number of instructions that have run, whatever else the host does
    timeout=S           seconds (60)
    manual              only run when named

A test passes when its last line says "0 failed" with the right marker, and what it printed is the same on both machines
except for lines that differences.py allows. Prints "ok NAME" or "FAIL NAME: why" for each, and a count. Status 0: all
passed. With --once a test is tried once and with its first seed only; --limit and --args stand for timeout and args of the
head comment.
"""
import argparse
import concurrent.futures
import itertools
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

import differences

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build"
NONCE = int(time.time()) & 0xFFFFFFFF
TIMEOUT = 60
OVERRIDDEN = {}

RETRIES = 2
# For clock=virtual. One thread of the emulator runs all processors.
VIRTUAL_CLOCK = "-icount shift=4,sleep=off"


def options_of(name):
    """The options in the head comment of a test."""
    options = {"cpus": "1", "memory": "64", "end": "off", "machines": "native,svm", "timeout": str(TIMEOUT)}
    for line in (HERE / name / "main.c").read_text().splitlines():
        match = re.match(r" \* guest: *(.*)", line)
        for word in match.group(1).split() if match else []:
            key, _, value = word.partition("=")
            options[key] = value
    return options | OVERRIDDEN


def make_disk(path, mib):
    """A disk whose every sector starts with its number and a known word."""
    with open(path, "wb") as file:
        for sector in range(mib * 2048):
            file.write(struct.pack("<II", sector, 0x5EC70125) + bytes([sector & 0xFF]) * 504)


def describe(name, options, directory, seed):
    """Writes the description of the guest; returns its path."""
    disk = ""
    if "disk" in options:
        make_disk(directory / "disk.img", int(options["disk"]))
        disk = '    disk0 { compatible = "virtio,block"; image = "disk.img"; };\n'
    words = " ".join([f"nonce={NONCE}", f"cpus={options['cpus']}"] + options.get("args", "").split("+"))
    words += f" seed={seed}"
    path = directory / f"{name}.dts"
    path.write_text(
        "/dts-v1/;\n/ {\n"
        '    compatible = "nullring,guest";\n'
        f'    model = "{name.replace("_", "-")}";\n'
        f"    memory {{ size-mib = <{options['memory']}>; }};\n"
        f"    cpus {{ count = <{options['cpus']}>; }};\n"
        f'    chosen {{ loader = "multiboot"; kernel = "{BUILD}/guests/{name}.elf"; bootargs = "{words.strip()}"; }};\n'
        f"{disk}}};\n"
    )
    return path


def boot(name, machine, options, directory, seed, beside=None):
    """Runs one test on one machine; returns what the guest printed and how nr ended."""
    limit = int(options["timeout"])
    command = [str(BUILD / "nr"), "boot", "--machine", machine, "--timeout", str(limit)]
    if machine == "svm" and "processors" in options:
        command += ["--cpus", options["processors"]]
    if options.get("clock") == "virtual":
        command += ["--emulator", VIRTUAL_CLOCK]
    if machine == "svm":
        command.append("--why")
    command.append(str(describe(name, options, directory, seed)))
    if beside:
        words = {"args": options["beside-args"]} if "beside-args" in options else {}
        command.append(str(describe(beside, options_of(beside) | words, directory, seed)))
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit + 60, check=False)
    text = run.stdout.decode("latin-1").replace("\r", "")
    if beside:  # each line then has the guest's name in front
        prefix = f"[{name.replace('_', '-')}] "
        text = "\n".join(line[len(prefix):] for line in text.split("\n") if line.startswith(prefix))
    start = text.find("GUEST ")
    text = text[start:] if start >= 0 else ""
    return text, run.returncode, run.stderr.decode("latin-1", "replace")


def marker(checks, failed):
    """FNV-1a over nonce, checks and failures, as lib/start.c makes it."""
    value = 0x811C9DC5
    for byte in struct.pack("<III", NONCE, checks, failed):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def verdict(text):
    """What is wrong with the output of one run, or None; and the lines up to the end of the test."""
    lines = text.splitlines()
    ends = [i for i, line in enumerate(lines) if line.startswith("DONE ")]
    if not lines:
        return "it printed nothing", lines
    if not ends:
        return f"it did not end; last line: {lines[-1]!r}", lines
    lines = lines[: ends[-1] + 1]
    match = re.match(r"DONE (\d+) checks, (\d+) failed, marker ([0-9a-f]{8})$", lines[-1])
    if not match or int(match.group(3), 16) != marker(int(match.group(1)), int(match.group(2))):
        return f"bad last line {lines[-1]!r}", lines
    if match.group(2) != "0":
        return next((line for line in lines if line.endswith("FAIL") or "ABORT" in line), "a check failed"), lines
    if match.group(1) == "0":
        return "it checked nothing", lines
    return None, lines


def split_boots(text):
    """What a guest that resets the machine printed before, and after (natively the run ends there)."""
    second = text.find("GUEST ", 1)
    return (text, None) if second < 0 else (text[:second], text[second:])


def compare(name, native, monitor):
    """The first line that differs and may not, or None."""
    for i in range(max(len(native), len(monitor))):
        a = native[i] if i < len(native) else "(end)"
        b = monitor[i] if i < len(monitor) else "(end)"
        if a != b and not differences.allowed(name, a):
            return f"native {a!r}, monitor {b!r}"
    return None


def run_test(name, seed, machines, keep):
    """Runs one test; returns None or why it failed."""
    options = options_of(name)
    outputs = {}
    runs = [(machine, None) for machine in machines if machine in options["machines"].split(",")]
    if "beside" in options and "svm" in machines:
        runs.append(("svm", options["beside"]))
    with tempfile.TemporaryDirectory(prefix="nr-guest-") as temporary:
        for machine, beside in runs:
            try:
                text, status, errors = boot(name, machine, options, pathlib.Path(temporary), seed, beside)
            except subprocess.TimeoutExpired:
                return f"{machine}: nr did not end"
            if keep:
                (keep / f"{name}{seed if seed > 1 else ''}.{machine}{'.' + beside if beside else ''}").write_text(text + f"\n-- status {status}\n" + errors)
            text, second = split_boots(text) if options["end"] == "reset" else (text, None)
            why, lines = verdict(text)
            if beside and not why and lines != outputs["svm"]:
                alone = next((pair for pair in itertools.zip_longest(outputs["svm"], lines) if pair[0] != pair[1]))
                why = f"alone {alone[0]!r}, beside {beside} {alone[1]!r}"
            outputs.setdefault(machine, lines)
            if not why and machine != "native" and options["end"] == "reset":
                why = verdict(second)[0] if second else "it did not start again"
            if not why and status == 3:
                why = "time ran out after its last line"
            if not why and status == 4:
                why = "the monitor panicked"
            if not why and status != 0 and not (machine == "native" and options["end"] == "reset"):
                why = "it did not end as it should"
            if why:
                return f"{machine}{' beside ' + beside if beside else ''}: {why} (status {status})"
    if len(outputs) == 2:
        return compare(name, outputs["native"], outputs["svm"])
    return None


def label_of(name, seed):
    return name if int(options_of(name).get("seeds", 1)) == 1 else f"{name} seed {seed}"


def passes_again(test, machines, keep):
    why = run_test(*test, machines, keep)
    print(f"FAIL again {label_of(*test)}: {why}" if why else f"ok again {label_of(*test)}", flush=True)
    return not why


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--machine", choices=["native", "svm", "both"], default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=pathlib.Path, help="keep each output in this directory")
    parser.add_argument("--once", action="store_true", help="no second try, no other seeds")
    parser.add_argument("--limit", help="seconds that a run may take, whatever its head comment says")
    parser.add_argument("--args", help="words for the command line, whatever its head comment says")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    OVERRIDDEN.update({"timeout": arguments.limit} if arguments.limit else {})
    OVERRIDDEN.update({"args": arguments.args} if arguments.args else {})
    names = arguments.names or sorted(p.parent.name for p in HERE.glob("*/main.c") if "manual" not in options_of(p.parent.name))
    machines = ["native", "svm"] if arguments.machine == "both" else [arguments.machine]
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    seeds = {name: 1 if arguments.once else int(options_of(name).get("seeds", 1)) for name in names}
    tests = [(name, seed) for name in names for seed in range(1, seeds[name] + 1)]
    failed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for test, why in zip(tests, pool.map(lambda t: run_test(*t, machines, arguments.keep), tests)):
            print(f"FAIL {label_of(*test)}: {why}" if why else f"ok {label_of(*test)}", flush=True)
            if why:
                failed.append(test)
    # The clocks of an emulated machine run on while the host has no time for it, and what a guest measures is then wrong
    # natively as well. A test that failed beside others has two more tries; the first reason stands above.
    for _ in range(0 if arguments.once else RETRIES):
        failed = [test for test in failed if not passes_again(test, machines, arguments.keep)]
    failed = len(failed)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
