#!/usr/bin/env python3
"""Runs test kernels natively and under the monitor and compares what they print, byte for byte.

    tests/guests/run.py [--machine M[,M...]]... [--jobs N] [--keep DIR] [--table] [--without NAME[@MACHINE],...] [--once] [--not-held]
                        [--limit S] [--args WORDS] [NAME...]

Machines are those of `nr boot`; the default is native,svm. A run under the monitor is held to the native one, on QEMU or
on Bochs with the same model, which is run for that if its machine is not named; native:bochs[:MODEL] is held to QEMU where
that is named. Under the monitor most kernels share a boot with some others (packs.py). Each directory
tests/guests/NAME with a main.c is one test. A line " * guest: ..." in its head comment gives options:

    cpus=N memory=MIB   of the machine (1, 64)
    disk=MIB            a virtio disk with a known pattern; Bochs has none, so natively on QEMU only
    ide=MIB             the same on IDE, and a disc of 2 MiB with its pattern in a CD drive
    ahci=MIB            the same on AHCI
    floppy=KIB[p][,...]  diskettes with the same pattern, p: write-protected; natively on QEMU only
    firmware=bios       started by a BIOS from a disk (boot_sector.asm), which leaves its services there; natively on QEMU only
    end=reset           the guest resets the machine once; natively the run ends there, the monitor starts it again
    machines=svm        not run natively (the reason stands in the head comment)
    args=WORDS          words for the command line, joined by +
    native-args=WORDS   more words natively
    seeds=N             run N times, with seed=1 to N on the command line
    beside-args=WORDS   words for the other's command line
    beside=NAME         under the monitor also run beside that test kernel, with the same output
    loader=multiboot2   started by that protocol, not by version 1's
    local-apic=software never the processor's
    hpet=on             with high precision event timers
    unknown-instruction=fault   one that cannot be emulated does not end it
    processors=N        of the machine under the monitor (as cpus)
    clock=virtual       time is the number of instructions that have run, whatever else the host does; Bochs' always is
    timeout=S           seconds (60); three times as many on Bochs
    manual              only run when named

A run passes when the test's last line has the right marker and says "0 failed", and what it printed is the same as on the
reference, except for what differences.py lists. Prints "ok NAME MACHINE" or "FAIL NAME MACHINE: why" for each, with
--table the results as a table, and a count. Status 0: all passed. With --once a test is tried once and with its first seed
only; --limit and --args stand for timeout and args of the head comment; --local-apic for a property of the description.
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
import packs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build"
NONCE = int(time.time()) & 0xFFFFFFFF
TIMEOUT = 60
# Options of a disk, and what its node is compatible with.
DISKS = {"disk": "virtio,block", "ide": "nullring,ide-disk", "ahci": "nullring,ahci-disk"}
OVERRIDDEN = {}

RETRIES = 2
REFERENCE = "native"
# Bochs executes some 50 million instructions a second.
BOCHS_SLOWER = 3
# boot_sector.asm: where its parameters lie, and what each of its reads takes.
SECTOR, BOOT_PARAMETERS, BOOT_CHUNK = 512, 490, 64 * 512
# For clock=virtual, the real-time clock included. One thread of the emulator runs all processors.
VIRTUAL_CLOCK = "-icount shift=4,sleep=off -rtc clock=vm"


def is_monitor(machine):
    return not machine.startswith("native")


def reference_of(name, machine):
    """The machine to whose output a run is held; None: there is none."""
    kind, _, model = machine.partition(":")
    bochs = {"vmx": "native:bochs:" + (model or "haswell"), "bochs-svm": "native:bochs:" + (model or "ryzen")}
    for native in [bochs.get(kind), REFERENCE]:
        if native and native != machine and runs_on(name, native):
            return native
    return None


def is_bochs(machine):
    return machine.split(":")[0] in ("vmx", "bochs-svm") or machine.startswith("native:bochs")


def options_of(name):
    """The options in the head comment of a test; none of what has no such comment."""
    options = {"cpus": "1", "memory": "64", "end": "off", "machines": "native,svm", "timeout": str(TIMEOUT)}
    source = HERE / name / "main.c"
    for line in source.read_text().splitlines() if source.exists() else []:
        match = re.match(r" \* guest: *(.*)", line)
        for word in match.group(1).split() if match else []:
            key, _, value = word.partition("=")
            options[key] = value
    return options | OVERRIDDEN


def make_disk(path, sectors):
    """A disk whose every sector starts with its number and a known word."""
    with open(path, "wb") as file:
        for sector in range(sectors):
            file.write(struct.pack("<II", sector, 0x5EC70125) + bytes([sector & 0xFF]) * 504)


def make_disc(path, mib):
    """The same for a disc."""
    with open(path, "wb") as file:
        for sector in range(mib * 512):
            file.write(struct.pack("<II", sector, 0xCD5EC701) + bytes([sector & 0xFF]) * 2040)


def make_boot_disk(name, path, words):
    """A disk from which a BIOS starts the kernel with these words: its boot sector, their sector, the image."""
    elf = (BUILD / "guests" / f"{name}.elf").read_bytes()
    entry, headers = struct.unpack_from("<II", elf, 24)
    offset, _, start, size, memory = struct.unpack_from("<5I", elf, headers + 4)
    chunks = -(-(SECTOR + size) // BOOT_CHUNK)
    sector = bytearray((BUILD / "guests" / "boot_sector.bin").read_bytes())
    struct.pack_into("<4IH", sector, BOOT_PARAMETERS, entry, start, start + size, start + memory, chunks)
    image = words.encode().ljust(SECTOR, b"\0") + elf[offset:offset + size]
    path.write_bytes((sector + image.ljust(chunks * BOOT_CHUNK, b"\0")).ljust(1 << 20, b"\0"))


def guest_name(name):
    return name.replace("_", "-")


def describe(name, options, directory, seed, native=False):
    """Writes the description of the guest; returns its path."""
    disk = ""
    for option, kind in DISKS.items():
        if option in options:
            make_disk(directory / f"{name}.img", int(options[option]) * 2048)
            disk = f'    disk0 {{ compatible = "{kind}"; image = "{name}.img"; }};\n'
    if "ide" in options:
        make_disc(directory / f"{name}.iso", 2)
        disk += f'    cd0 {{ compatible = "nullring,ide-cd"; image = "{name}.iso"; }};\n'
    for unit, floppy in enumerate(listed_words(options.get("floppy", ""))):
        make_disk(directory / f"{name}{unit}.img", int(floppy.rstrip("p")) * 2)
        protected = ' write-protected = "yes";' if floppy.endswith("p") else ""
        disk += f'    floppy{unit} {{ compatible = "nullring,floppy"; image = "{name}{unit}.img";{protected} }};\n'
    words = " ".join([f"nonce={NONCE}", f"cpus={options['cpus']}"] + options.get("args", "").split("+"))
    words += f" seed={seed}"
    if native and "native-args" in options:
        words += " " + options["native-args"].replace("+", " ")
    chosen = f'loader = "{options.get("loader", "multiboot")}"; kernel = "{BUILD}/guests/{name}.elf"; bootargs = "{words.strip()}";'
    if "firmware" in options:
        make_boot_disk(name, directory / f"{name}-boot.img", words)
        chosen = 'loader = "bios";'
        disk += f'    disk0 {{ compatible = "nullring,ide-disk"; image = "{name}-boot.img"; overlay-mib = <1>; }};\n'
    path = directory / f"{name}.dts"
    path.write_text(
        "/dts-v1/;\n/ {\n"
        '    compatible = "nullring,guest";\n'
        f'    model = "{guest_name(name)}";\n'
        f'    local-apic = "{options.get("local-apic", "hardware")}";\n'
        f'    hpet = "{options.get("hpet", "auto")}";\n'
        f'    unknown-instruction = "{options.get("unknown-instruction", "stop")}";\n'
        f"    memory {{ size-mib = <{options['memory']}>; }};\n"
        f"    cpus {{ count = <{options['cpus']}>; }};\n"
        f"    chosen {{ {chosen} }};\n"
        f"{disk}}};\n"
    )
    return path


def boot(guests, machine, options, directory, seed):
    """Runs guests, each a name and its options, in one boot, with the machine's options; returns what each printed, nr's
    status, and the lines of nr and the monitor."""
    limit = int(options["timeout"]) * (BOCHS_SLOWER if is_bochs(machine) else 1)
    command = [str(BUILD / "nr"), "boot", "--machine", machine, "--timeout", str(limit), "--console-dir", str(directory)]
    # The report of a guest that ends takes a serial line's time: from others beside it, and a second of Bochs'.
    if is_monitor(machine) and len(guests) == 1 and not is_bochs(machine):
        command.append("--why")
    if is_monitor(machine) and "processors" in options:
        command += ["--cpus", options["processors"]]
    if options.get("clock") == "virtual" and not is_bochs(machine):
        command += ["--emulator", VIRTUAL_CLOCK]
    command += [str(describe(name, its, directory, seed, not is_monitor(machine))) for name, its in guests]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit + 60, check=False)
    texts = {}
    for name, _ in guests:
        console = directory / guest_name(name)
        text = console.read_bytes().decode("latin-1").replace("\r", "") if console.exists() else ""
        texts[name] = text[text.find("GUEST "):] if "GUEST " in text else ""
    return texts, run.returncode, run.stderr.decode("latin-1", "replace")


def ending(name, errors, failed):
    """What is wrong with the end of a guest under the monitor, by the monitor's own words; None: it has powered off, and its
    exit value says whether checks failed that may."""
    ends = re.findall(rf"^nullring: guest {guest_name(name)}: (powered off|killed: .*|not started: .*)$", errors, re.MULTILINE)
    if ends != ["powered off"]:
        return ends[0] if ends else "it did not end"
    value = re.search(rf"^nullring: guest {guest_name(name)}: exit value (\d+)$", errors, re.MULTILINE)
    return f"exit value {value.group(1)}" if value and value.group(1) != str(int(failed)) else None


def marker(checks, failed):
    """FNV-1a over nonce, checks and failures, as lib/start.c makes it."""
    value = 0x811C9DC5
    for byte in struct.pack("<III", NONCE, checks, failed):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def verdict(name, machine, text):
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
    failed = [line for line in lines if line.endswith("FAIL")]
    bad = [line for line in lines if line.endswith("FAIL") or "ABORT" in line]
    bad = [line for line in bad if not differences.may_fail(machine, name, line)]
    if bad:
        return bad[0], lines
    if int(match.group(2)) != len(failed):
        return "a check failed", lines
    if match.group(1) == "0":
        return "it checked nothing", lines
    lines[-1] = f"DONE {match.group(1)} checks"  # those that failed are in lines that may differ
    return None, lines


def split_boots(text):
    """What a guest that resets the machine printed before, and after (natively the run ends there)."""
    second = text.find("GUEST ", 1)
    return (text, None) if second < 0 else (text[:second], text[second:])


class Run:
    """One test, one seed of it, on one machine."""

    def __init__(self, name, seed, machine):
        self.name, self.seed, self.machine = name, seed, machine
        self.why = self.lines = None
        self.failed = False  # in lines that may
        self.seconds = 0

    @property
    def label(self):
        seed = f" seed {self.seed}" if int(options_of(self.name).get("seeds", 1)) > 1 else ""
        return f"{self.name}{seed} {self.machine}"

    @property
    def alone(self):
        return not is_monitor(self.machine) or packs.is_alone(self.name, options_of(self.name))

    @property
    def repeats(self):
        return is_bochs(self.machine) or options_of(self.name).get("clock") == "virtual"

    def run(self, reference, keep):
        """Sets why (None: it passed) and lines."""
        begin = time.monotonic()
        options = options_of(self.name)
        beside = [None] + ([options["beside"]] if "beside" in options and is_monitor(self.machine) else [])
        self.why = self.lines = None
        with tempfile.TemporaryDirectory(prefix="nr-guest-") as temporary:
            for other in beside:
                why = self.run_once(options, other, pathlib.Path(temporary), keep)
                self.why = self.why or (f"beside {other}: {why}" if why and other else why)
        self.compare(reference)
        self.seconds = time.monotonic() - begin
        return self

    def compare(self, reference):
        if not self.why and reference is not None and reference is not self and reference.lines:
            pair = differences.compare(self.name, self.machine, self.lines, reference.machine, reference.lines)
            self.why = f"{reference.machine} {pair[0]!r}, here {pair[1]!r}" if pair else None

    def run_once(self, options, beside, directory, keep):
        guests = [(self.name, options)]
        if beside:
            words = {"args": options["beside-args"]} if "beside-args" in options else {}
            guests.append((beside, options_of(beside) | words))
        try:
            texts, status, errors = boot(guests, self.machine, options, directory, self.seed)
        except subprocess.TimeoutExpired:
            return "nr did not end"
        self.keep_output(keep, texts[self.name], status, errors, beside)
        return self.judge(texts[self.name], status, errors, beside)

    def keep_output(self, keep, text, status, errors, beside=None):
        if keep:
            suffix = f"{self.seed if self.seed > 1 else ''}.{self.machine}{'.' + beside if beside else ''}"
            (keep / (self.name + suffix)).write_text(text + f"\n-- status {status}\n" + errors)

    def judge(self, text, status, errors, beside=None):
        """What is wrong with a run that printed this, or None; sets lines."""
        resets = options_of(self.name)["end"] == "reset"
        text, second = split_boots(text) if resets else (text, None)
        why, lines = verdict(self.name, self.machine, text)
        self.failed = any(line.endswith("FAIL") for line in lines)
        if beside and not why and self.lines and lines != self.lines:
            alone = next(pair for pair in itertools.zip_longest(self.lines, lines) if pair[0] != pair[1])
            why = f"alone {alone[0]!r}, here {alone[1]!r}"
        self.lines = self.lines or lines
        if not why and is_monitor(self.machine) and resets:
            why = verdict(self.name, self.machine, second)[0] if second else "it did not start again"
        if status == 4:
            why = why or "the monitor panicked"
        if not why and is_monitor(self.machine):
            why = ending(self.name, errors, self.failed)
        elif not why and status == 3:
            why = "time ran out after its last line"
        elif not why and status != 0 and not resets:
            why = "it did not end as it should"
        return f"{why} (status {status})" if why else None


def run_pack(pack, reference_for, keep):
    """One boot for all the runs of a pack, which are of one machine and of one seed."""
    if len(pack) == 1:
        return [pack[0].run(reference_for(pack[0]), keep)]
    begin = time.monotonic()
    guests = [(run.name, options_of(run.name)) for run in pack]
    # Side by side each takes longer; together less than one after the other.
    options = {"timeout": max(int(its["timeout"]) for _, its in guests) * 2}
    with tempfile.TemporaryDirectory(prefix="nr-guest-") as temporary:
        try:
            texts, status, errors = boot(guests, pack[0].machine, options, pathlib.Path(temporary), 1)
        except subprocess.TimeoutExpired:
            texts, status, errors = {run.name: "" for run in pack}, 3, "nr did not end"
    for run in pack:
        run.why = run.lines = None
        run.keep_output(keep, texts[run.name], status, errors)
        run.why = run.judge(texts[run.name], status, errors)
        run.compare(reference_for(run))
        run.seconds = (time.monotonic() - begin) / len(pack)
    if status != int(any(run.failed for run in pack)) and not any(run.why for run in pack):
        pack[0].why = f"all {len(pack)} guests of its boot ended well, but the run did not (status {status})"
    return pack


def runs_on(name, machine):
    options = options_of(name)
    if is_monitor(machine):
        return "svm" in options["machines"].split(",") and not differences.not_under(machine, name)
    return "native" in options["machines"].split(",") and (
        machine == REFERENCE or not ({*DISKS, "floppy", "firmware"} & set(options) or name in differences.NOT_NATIVE))


def show(run, again=""):
    print(f"FAIL {again}{run.label}: {run.why}" if run.why else f"ok {again}{run.label}", flush=True)


def try_again(runs, reference_for, keep, retries):
    """QEMU's clocks run on while the host has no time for it, and what a guest measures is then wrong natively as well. A
    test that failed there has two more tries, alone; the first reason stands above. Where time is the number of
    instructions, a run repeats exactly, and there is no second try."""
    for _ in range(retries):
        for run in [run for run in runs if run.why and not run.repeats]:
            show(run.run(reference_for(run), keep), "again ")


def run_all(runs, jobs, keep, retries):
    """The reference of a test before what is held to it; the others as there is room."""
    known = {(run.name, run.seed, run.machine): run for run in runs}

    def reference_for(run):
        native = reference_of(run.name, run.machine)
        return known.get((run.name, run.seed, native)) or known.get((run.name, 1, native))

    steps = [[run for run in runs if run.machine == REFERENCE],
             [run for run in runs if run.machine != REFERENCE and not is_monitor(run.machine)],
             [run for run in runs if is_monitor(run.machine)]]
    for step in steps:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for pack in pool.map(lambda p: run_pack(p, reference_for, keep), packs.packs_of(step)):
                for run in pack:
                    show(run)
        try_again(step, reference_for, keep, retries)


def print_table(runs):
    """Rows: tests; columns: machines, by number; the seconds of each."""
    machines = list(dict.fromkeys(run.machine for run in runs))
    for number, machine in enumerate(machines):
        seconds = sum(run.seconds for run in runs if run.machine == machine)
        print(f"  {number + 1:2}: {machine}, {seconds:.0f} s")
    print(f"{'':24}" + "".join(f"{number + 1:>5}" for number in range(len(machines))))
    for test in dict.fromkeys((run.name, run.seed) for run in runs):
        cells = {run.machine: "FAIL" if run.why else "ok" for run in runs if (run.name, run.seed) == test}
        name = test[0] + (f" {test[1]}" if int(options_of(test[0]).get("seeds", 1)) > 1 else "")
        print(f"{name:24}" + "".join(f"{cells.get(machine, '-'):>5}" for machine in machines))


def seeds_of(name, machine, all_seeds):
    seeds = int(options_of(name).get("seeds", 1))
    return range(1, (seeds if not all_seeds or machine in all_seeds else 1) + 1)


def routine_names():
    """All kernels that run without being named."""
    return sorted(p.parent.name for p in HERE.glob("*/main.c") if "manual" not in options_of(p.parent.name))


def runs_of(names, machines, seeds_on, held=True):
    """With the native runs to which those of the monitor are held."""
    wanted = [(name, machine) for name in names for machine in machines if runs_on(name, machine)]
    natives = [(name, reference_of(name, machine)) for name, machine in wanted if held and is_monitor(machine)]
    wanted = [pair for pair in dict.fromkeys(natives) if pair[1] and pair not in wanted] + wanted
    return [Run(name, seed, machine) for name, machine in wanted for seed in seeds_of(name, machine, seeds_on)]


def print_sum(runs):
    failed = sum(1 for run in runs if run.why)
    print(f"{len(runs) - failed} passed, {failed} failed")
    return 1 if failed else 0


def listed_words(value):
    return [word for word in value.split(",") if word]


def listed(values):
    return [word for value in values or [] for word in listed_words(value)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--machine", action="append", help="machines of nr boot (native,svm); may be repeated")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=pathlib.Path, help="keep each output in this directory")
    parser.add_argument("--table", action="store_true", help="the results as a table")
    parser.add_argument("--seeds-on", action="append", help="run all seeds on these machines, one on the others")
    parser.add_argument("--without", type=listed_words, default=[], help="kernels that are left out where none is named, or left out on a machine")
    parser.add_argument("--not-held", action="store_true", help="no native run that is not named")
    parser.add_argument("--once", action="store_true", help="no second try, no other seeds")
    parser.add_argument("--limit", help="seconds that a run may take, whatever its head comment says")
    parser.add_argument("--args", help="words for the command line, whatever its head comment says")
    parser.add_argument("--local-apic", choices=["hardware", "software"], help="of the guests' descriptions")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    overridden = {"timeout": arguments.limit, "args": arguments.args, "seeds": "1" if arguments.once else None,
                  "local-apic": arguments.local_apic}
    OVERRIDDEN.update({key: value for key, value in overridden.items() if value})
    machines = listed(arguments.machine) or [REFERENCE, "svm"]
    names = arguments.names or [name for name in routine_names() if name not in arguments.without]
    without = [word.partition("@")[0] for word in arguments.without]
    unknown = [name for name in names + without if not (HERE / name / "main.c").exists()]
    if unknown:
        parser.error(f"no test kernel is called {unknown[0]}")
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    runs = runs_of(names, machines, listed(arguments.seeds_on), not arguments.not_held)
    runs = [run for run in runs if f"{run.name}@{run.machine}" not in arguments.without]
    run_all(runs, arguments.jobs, arguments.keep, 0 if arguments.once else RETRIES)
    if arguments.table:
        print_table(runs)
    return print_sum(runs)


if __name__ == "__main__":
    sys.exit(main())
