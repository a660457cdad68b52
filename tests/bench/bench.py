#!/usr/bin/python3
"""Prints what the monitor costs next to its budgets: one line "ok|OVER what: measured (budget N)".

Round trips and instructions are counted under -icount: one instruction takes one nanosecond, for a guest, the monitor and a
native system alike; interrupts come at the same places every time and a run repeats, whatever else the machine does. The
exits of a boot are counted by both clocks, and its budgets held against real time (docs/measurements.md). A boot ends with
the first process's marker, where the guest ends its machine at once: what a shutdown does is not part of it. Processor time
is taken in real time. Guests see the same command line, initrd and processor model natively and under the monitor.

    bench.py [--ring0 "FILE ..."] [--only WORD] [--strict]
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = TREE / "build"
WORK = BUILD / "bench"
ICOUNT = "-icount shift=0,sleep=off"
BOCHS_CLOCK = "cpu: ips=1000000000"
TO_MARKER = "quiet mode=end nonce=9"
SECONDS = 1200
RUNS = 5  # of each kind in real time; the least counts

NULL_ROUNDS = 200_000
ALL_MEMORY = "-mem-prealloc"  # else the first to touch a page pays for its host's: the monitor, which zeroes a guest's memory
WITH_SVM = "-cpu EPYC"  # natively nr leaves SVM out, as guests have none

started = time.monotonic()
held, over = [], []


def report(what, value, budget=None, unit="", note=""):
    text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
    state = "    " if budget is None else "ok  " if value <= budget else "OVER"
    if budget is not None:
        (over if state == "OVER" else held).append(what)
    limit = "" if budget is None else f" (budget {budget:,})"
    print(f"{state} {what}: {text}{unit}{limit}{'; ' + note if note else ''}", flush=True)


def boot(*words, description, machine="svm", ends=0):
    """What a run printed; its guests end with the value `ends`."""
    guests = description if isinstance(description, list) else [description]
    command = [BUILD / "nr", "boot", "--machine", machine, "--timeout", SECONDS, *words, *guests]
    run = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                         timeout=SECONDS + 60)
    text = (run.stdout + run.stderr).decode(errors="replace")
    if run.returncode != (1 if ends else 0) or (ends and f"exit value {ends}\n" not in text):
        raise RuntimeError(f"{' '.join(map(str, command))}: status {run.returncode}\n{text[-2000:]}")
    return text


def with_paravirt(text, paravirt):
    """An example's text for a file below build/, with another clock."""
    return text.replace('"../build/', '"../').replace("model = ", f'paravirt = "{paravirt}";\n    model = ', 1)


def linux(name, paravirt="kvm"):
    """The small example without its disk."""
    text = (TREE / "examples/debian-686.dts").read_text()
    path = WORK / f"{name}.dts"
    path.write_text(with_paravirt(re.sub(r"    disk0 \{.*?\};\n", "", text, flags=re.S), paravirt))
    return path


def kernel(name, elf, words="", cpus=1, modules=(), mib=64, devices=""):
    names = ", ".join(f'"{module}"' for module in modules)
    path = WORK / f"{name}.dts"
    path.write_text(
        f'/dts-v1/;\n/ {{\n    compatible = "nullring,guest";\n    model = "{name}";\n    memory {{ size-mib = <{mib}>; }};\n'
        f'    cpus {{ count = <{cpus}>; }};\n    chosen {{ loader = "multiboot"; kernel = "{elf}"; '
        f'bootargs = "nonce=1 {words}"; {f"modules = {names};" if names else ""} }};\n{devices}}};\n')
    return path


def exits(text):
    """Sum and parts of a guest's exits, from --why."""
    parts = {name.strip(): int(count) for count, name in re.findall(r": +(\d+) exits: (.*)", text)}
    return sum(parts.values()), parts


def symbols(program):
    """Name to range of a program's functions."""
    out = subprocess.run(["nm", "-S", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "Tt":
            low = int(fields[0], 16)
            found[fields[3]] = (low, low + int(fields[1], 16))
    return found


def count_instructions(description, machine="svm"):
    """Instructions of ring 0 and ring 3 from GRUB's hand-off to the guest's end (the system call that ends it: what the monitor
    then reports is no part of a boot), and up to the guest's first instruction."""
    out = WORK / "counts"
    ranges, guest_end = [], None
    for program in ("nullring", "device-model", "service"):
        names = symbols(BUILD / f"{program}.debug")
        guest_end = names.get("sys_guest_end", (0, 0)) if program == "nullring" else guest_end
        ranges += [f"range=copy:{low:x}-{high:x}" for name, (low, high) in names.items()
                   if name.split(".")[0] in ("memcpy", "memset") and program != "service"]
    ranges += ["range=ring0:ffff800000000000-ffffffffffffffff", "range=ring3:400000-1000000"]
    # A guest's kernel lies at 16 MiB or more, and no code of ring 3 does.
    entry = int.from_bytes((BUILD / "nullring").read_bytes()[24:32], "little")
    plugin = [f"{WORK}/count.so", f"out={out}", *ranges, f"start={entry:x}-{entry + 1:x}", "mark=1000000-ffffffff",
              f"end={guest_end[0]:x}-{guest_end[1]:x}"]
    text = boot("--cpus", 1, "--why", "--append", TO_MARKER, "--emulator", f"-plugin {','.join(plugin)} {ICOUNT}",
                description=description, machine=machine)
    if "MARKER 66" not in text:
        raise RuntimeError(f"the boot did not reach its marker:\n{text[-2000:]}")
    counts = {"copy": [0, 0]}
    for line in out.read_text().splitlines():
        name, total, mark = line.split()
        had = counts.get(name, [0, 0])
        counts[name] = [had[0] + int(total), had[1] + int(mark)]
    return counts, text


def guest_memory(guests):
    """KiB that so many guests and the service took of what was free at the start."""
    text = boot("--memory", 1024, "--cpus", 1, description=guests)
    if text.count(": powered off") != len(guests):
        raise RuntimeError(f"not all of {len(guests)} guests ran:\n{text[-2000:]}")
    before = int(re.search(r"(\d+) MiB free for guests", text).group(1)) << 10
    return before - int(re.search(r"(\d+) KiB free; powering off", text).group(1))


def bench_guest_memory():
    """What a guest with a disk takes beyond its RAM and its disk's overlay: the difference of one guest and of many, since
    the monitor takes its own memory in pieces of 2 MiB."""
    mib, overlay_mib, hole, many = 8, 2, 128, 15  # the hole, in KiB, below 1 MiB is no RAM
    disk0 = (f'    disk0 {{ compatible = "virtio,block"; image = "../examples/686/disk.img"; overlay-mib = <{overlay_mib}>; '
             "};\n")
    guests = [kernel(f"guest-{i}", "../guests/bench_round_trips.elf", "only=0", mib=mib, devices=disk0) for i in range(many)]
    taken = (guest_memory(guests) - guest_memory(guests[:1])) / (many - 1)
    report("memory of a guest beyond its RAM and reserves, KiB", round(taken) - (mib + overlay_mib) * 1024 + hole, 2048,
           note="device model and tables included")


def code_lines(files):
    lines = subprocess.run([TREE / "tests/check/code_lines", *files], capture_output=True, text=True, check=True)
    return int(lines.stdout.splitlines()[-1].split()[0])


def bench_size(ring0):
    report("monitor image, KiB", (BUILD / "nullring").stat().st_size >> 10, 512)
    if ring0:
        report("ring 0, code lines", code_lines(ring0), 8500)
    text = boot("--memory", 4096, description=kernel("memory", "../guests/bench_round_trips.elf", "rounds=1"))
    report("monitor memory on a 4 GiB machine, KiB", int(re.search(r"(\d+) KiB the monitor's own", text).group(1)), 8192)
    bench_guest_memory()


def bench_round_trips():
    budgets = {"cpuid": 350, "port": 650, "lapic": 500, "self-ipi": 2000, "ipi": 5000}
    description = kernel("round-trips", "../guests/bench_round_trips.elf", cpus=2)
    native = dict(re.findall(r"BENCH (\S+) (\d+)", boot("--emulator", ICOUNT, description=description, machine="native")))
    text = boot("--emulator", ICOUNT, description=description)
    monitor = dict(re.findall(r"BENCH (\S+) (\d+)", text))
    if "next RIP: yes" in text:
        budgets["cpuid"] = 250
    for name, budget in budgets.items():
        ways = 2 if name == "ipi" else 1  # there and back
        report(f"instructions of one {name}", int(monitor[name]) // ways, budget, note=f"natively {int(native[name]) // ways}")


def monitor_instructions(counts):
    """Of ring 0 and 3, from the guest's first instruction."""
    return sum(counts[part][0] - counts[part][1] for part in ("ring0", "ring3", "copy"))


def bench_generations():
    """The other ways to run a guest. Bochs' clock is set to one instruction a nanosecond, as that of -icount is."""
    description = kernel("round-trips-vmx", "../guests/bench_round_trips.elf", cpus=1)
    found = dict(re.findall(r"BENCH (\S+) (\d+)", boot("--emulator", BOCHS_CLOCK, description=description, machine="vmx")))
    for name, count in found.items():
        report(f"VT-x: instructions of one {name}", int(count), 300 if name == "cpuid" else None)
    description = linux("boot-generations")
    counts, text = count_instructions(description)
    nested, npt = exits(text)[0], monitor_instructions(counts)
    software = WORK / "boot-local-apic.dts"
    software.write_text(description.read_text().replace("model = ", 'local-apic = "software";\n    model = ', 1))
    for machine, what, guest, budget in (("vmx:haswell", "", description, nested * 11 // 10),
                                         ("vmx:haswell", ", local APIC by the monitor", software, None),
                                         ("vmx:penryn", "", description, None)):
        total, parts = exits(boot("--cpus", 1, "--why", "--append", TO_MARKER, "--emulator", BOCHS_CLOCK,
                                  description=guest, machine=machine))
        largest = ", ".join(f"{name} {count:,}" for name, count in sorted(parts.items(), key=lambda p: -p[1])[:5])
        report(f"exits of a boot on {machine}{what}", total, budget, note=f"{total / nested:.2f} times SVM's {nested:,}; {largest}")
    counts_shadow, text = count_instructions(description, "svm:no-npt")
    total, shadow = exits(text)[0], monitor_instructions(counts_shadow)
    guest, guest_shadow = (count["other"][0] - count["other"][1] for count in (counts, counts_shadow))
    report("exits of a boot on svm:no-npt", total, note=f"{total / nested:.2f} times nested paging's")
    report("its instructions of ring 0 and 3", shadow / 1e6, None, " million", f"{shadow / npt:.2f} times nested paging's")
    report("its instructions of the guest", guest_shadow / 1e6, None, " million", f"{guest_shadow / guest:.2f} times nested paging's")
    report("code lines of the vTLB", code_lines([TREE / "core/vtlb.c"]), 400)


def bench_serial():
    counts = [exits(boot("--why", "--emulator", ICOUNT, description=kernel(
        f"serial-{n}", "../guests/bench_round_trips.elf", f"only=0 serial={n}")))[0] for n in (1000, 3000)]
    report("exits per character of the serial console", (counts[1] - counts[0]) / 2000, 2.1)


def bench_boot():
    for paravirt, budget in (("kvm", 5000), ("none", 9000)):
        description = linux(f"boot-{paravirt}", paravirt)
        counts, text = count_instructions(description)
        runs = [exits(boot("--cpus", 1, "--why", "--append", TO_MARKER, description=description)) for _ in range(RUNS)]
        by_clock = {"in real time": min(runs, key=lambda run: run[0]), "under -icount": exits(text)}
        for clock, (total, parts) in by_clock.items():
            largest = ", ".join(f"{name} {count:,}" for name, count in sorted(parts.items(), key=lambda p: -p[1])[:5])
            others = f"; runs: {', '.join(f'{run[0]:,}' for run in runs)}" if clock == "in real time" else ""
            report(f'exits of a boot {clock}, paravirt "{paravirt}"', total, budget if clock == "in real time" else None,
                   note=largest + others)
        ring0, ring3, copy = ((counts[part][0] - counts[part][1]) / 1e6 for part in ("ring0", "ring3", "copy"))
        report(f'instructions of ring 0 and 3 in that boot, paravirt "{paravirt}"', ring0 + ring3 + copy,
               20 if paravirt == "kvm" else None, " million",
               f"ring 0 {ring0:.1f}, ring 3 {ring3:.1f}, copying in both {copy:.1f}")
        if paravirt == "kvm":
            ring0, ring3, copy = (counts[part][1] / 1e6 for part in ("ring0", "ring3", "copy"))
            report("instructions from GRUB's hand-off to the guest's first", ring0 + ring3, 50, " million",
                   f"ring 0 {ring0:.1f}, ring 3 {ring3:.1f}, copying images and zeroing RAM {copy:.1f} apart")


def disk(paravirt, kind="virtio,block"):
    """The small example with its disk, and an initrd that can read it many requests deep."""
    text = (TREE / "examples/debian-686.dts").read_text().replace('"../build/examples/686/initrd.gz"', '"initrd.gz"')
    path = WORK / f"disk-{paravirt}.dts"
    path.write_text(with_paravirt(text.replace("virtio,block", kind), paravirt))
    return path


def bench_disk():
    """Exits of a 4 KiB read by Linux, interrupts and timer ticks and all: the difference of two numbers of reads, by what
    the kernel says that the device has done. The kernel's log is off and a tick's share is small, under -icount."""
    for kind, node, paravirt, depth, budget in (("virtio,block", "vda", "none", 1, 2.1), ("virtio,block", "vda", "kvm", 1, 1.1),
                                                ("virtio,block", "vda", "kvm", 32, 0.2),
                                                ("nullring,ide-disk", "sda", "none", 1, 24),
                                                ("nullring,ahci-disk", "sda", "none", 1, 8)):
        runs = []
        for reads in (200, 1200):
            text = boot("--cpus", 1, "--why", "--append", f"quiet mode=read disk=/dev/{node} reads={reads} depth={depth}",
                        "--emulator", ICOUNT, description=disk(paravirt, kind))
            done, merged = map(int, re.search(r"reads done: +(\d+) +(\d+)", text).groups())
            runs.append((exits(text)[0], done, merged))
        (few, few_done, _), (many, done, merged) = runs
        if merged or done - few_done != 1000:
            raise RuntimeError(f"{done - few_done} reads where 1000 were asked for, {merged} merged")
        report(f'exits of a 4 KiB read, {kind}, depth {depth}, paravirt "{paravirt}"', (many - few) / 1000, budget)


def bench_sequence():
    """Reading 64 MiB in order, as `dd` does, in one guest with a disk on each controller: virtio's time by the others', both by
    the guest's clock under -icount, so that instructions count and not the emulator's mood."""
    slots = {"virtio,block": "00:04.0", "nullring,ide-disk": "00:01.1", "nullring,ahci-disk": "00:08.0"}
    nodes = ""
    for i, kind in enumerate(slots):
        with (WORK / f"sequence-{i}.img").open("wb") as file:
            file.truncate(64 << 20)
        nodes += f'    disk{i} {{ compatible = "{kind}"; image = "sequence-{i}.img"; overlay-mib = <1>; }};\n'
    text = (TREE / "examples/debian-686.dts").read_text().replace('"../build/examples/', '"../examples/')
    path = WORK / "sequence.dts"
    path.write_text(re.sub(r"    disk0 \{.*?\};\n", lambda _: nodes, text, flags=re.S))
    text = boot("--cpus", 1, "--append", "quiet mode=sequence disk=/dev/sda", "--emulator", ICOUNT, description=path)
    seconds = {}
    for kind, slot in slots.items():
        before, after = map(float, re.search(rf"sequence: \S*0000:{slot}/\S* ([\d.]+) to ([\d.]+)", text).groups())
        seconds[kind] = after - before
    for kind in ("nullring,ide-disk", "nullring,ahci-disk"):
        report(f"time of a sequential read of 64 MiB, {kind}, by virtio's", seconds[kind] / seconds["virtio,block"], 2.0,
               note=f"{seconds[kind] * 1000:.0f} ms, virtio {seconds['virtio,block'] * 1000:.0f}")


def boot_disk(name):
    """The description of a guest with a BIOS that starts from an IDE disk, NAME.img, and the disk's path."""
    image, path = WORK / f"{name}.img", WORK / f"{name}.dts"
    path.write_text(f'/dts-v1/;\n/ {{\n    compatible = "nullring,guest";\n    model = "{name}";\n    memory {{ size-mib = <16>; }};\n'
                    f'    chosen {{ loader = "bios"; }};\n    disk0 {{ compatible = "nullring,ide-disk"; image = "{name}.img"; '
                    "overlay-mib = <1>; };\n};\n")
    return path, image


def bench_firmware():
    """From the reset vector to the boot sector, which ends the guest at once."""
    path, image = boot_disk("firmware")
    end = b"\xba\xf4\x00\xb0\x03\xee\xf4"  # mov dx, 0xf4; mov al, 3; out dx, al; hlt
    image.write_bytes(end.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512))
    total, parts = exits(boot("--cpus", 1, "--why", "--emulator", ICOUNT, description=path, ends=3))
    largest = ", ".join(f"{name} {count:,}" for name, count in sorted(parts.items(), key=lambda p: -p[1])[:5])
    report("SeaBIOS to the boot sector, exits", total, 3000, note=largest)
    bench_pio()


def pio_exits(sectors):
    path, image = boot_disk(f"pio-{sectors}")
    subprocess.run(["nasm", "-f", "bin", f"-DSECTORS={sectors}", "-o", image, TREE / "tests/bench/pio_reads.asm"], check=True)
    with image.open("r+b") as file:
        file.truncate(1 << 20)
    return exits(boot("--cpus", 1, "--why", "--emulator", ICOUNT, description=path, ends=3))[0]


def bench_pio():
    """A sector that a BIOS or DOS reads word by word: the look at the status, and the REP INSW."""
    few, many = 256, 2304
    report("exits of a sector by PIO, nullring,ide-disk", (pio_exits(many) - pio_exits(few)) / (many - few), 2.1)


def screen_exits(script):
    """Exits of a guest whose boot disk draws this (tests/boot/screens.asm)."""
    path, image = boot_disk("screen")
    subprocess.run(["nasm", "-f", "bin", f"-DSCRIPT='{script}'", "-o", image, TREE / "tests/boot/screens.asm"], check=True)
    with image.open("r+b") as file:
        file.truncate(1 << 20)
    return exits(boot("--cpus", 1, "--why", "--emulator", ICOUNT, description=path, ends=3))[0]


def bench_screen():
    """Exits of drawing, as the difference of one time and of seventeen. The frame buffer's fill enters and leaves protected
    mode, with an exit for each."""
    for what, mode, letter, size, budget in (("redraw of a text screen", "t", "T", 4000, 0.1),
                                             ("fill of 1024x768x32", "v", "F", 3 << 20, 2.1),
                                             ("fill of mode 12h by REP STOSB", "p", "B", 38400, 12),
                                             ("change of 2,048 bytes of mode 12h by two MOVs each", "p", "D", 4096, 12)):
        once, often = (screen_exits(mode + letter * times + "q") for times in (1, 17))
        report(f"exits of a {what}", (often - once) / 16, budget,
               note=f"{size:,} bytes")


def leaves(text):
    """What bench_cpuid printed: (leaf, subleaf) to the values of EAX, EBX, ECX and EDX."""
    rows = (tuple(int(word, 16) for word in line.split()[1:]) for line in text.splitlines() if line.startswith("CPUID "))
    return {row[:2]: row[2:] for row in rows}


def differences(native, monitor):
    """Leaves that are not the same; a leaf beyond the last one is nothing."""
    nothing = (0, 0, 0, 0)
    return [f"{leaf:x}.{subleaf}" for leaf, subleaf in sorted(native.keys() | monitor.keys())
            if native.get((leaf, subleaf), nothing) != monitor.get((leaf, subleaf), nothing)]


def bench_same_processor():
    """nr's native machine lacks what a guest of the monitor does not get, so that a native run has no feature more. That
    both are then the same is looked at leaf by leaf, the hypervisor's own apart."""
    description = kernel("cpuid", "../guests/bench_cpuid.elf")
    native, monitor = (leaves(boot(description=description, machine=machine)) for machine in ("native", "svm"))
    different = differences(native, monitor)
    report("CPUID leaves that differ, native and under the monitor", len(different), 0,
           note=f"they are {', '.join(different)}" if different else f"{len(monitor)} leaves")


def processor_seconds(text, word="of processor time"):
    return float(re.search(rf"([\d.]+) s {word}", text).group(1))


def bench_ratio():
    """Processor time of a boot from the guest's first instruction to its init's marker: natively less that of a kernel which
    ends at once with the same files beside it, under the monitor less what was used when the guest started."""
    bench_same_processor()
    description = linux("ratio")
    at_once = kernel("at-once", "../guests/bench_round_trips.elf", "only=0 rounds=1", mib=256,
                     modules=["../examples/686/vmlinuz", "../examples/686/initrd.gz"])
    native, load, monitor, handed, exit_counts = [], [], [], [], []
    for _ in range(RUNS):
        native.append(processor_seconds(boot("--append", TO_MARKER, "--emulator", ALL_MEMORY, description=description,
                                             machine="native")))
        load.append(processor_seconds(boot("--emulator", ALL_MEMORY, description=at_once, machine="native")))
        text = boot("--append", TO_MARKER, "--emulator", ALL_MEMORY, "--cpus", 1, "--why", description=description)
        exit_counts.append(exits(text)[0])
        monitor_word, guest_word = map(float, re.search(r"\(([\d.]+) before the monitor, ([\d.]+) before the g", text).groups())
        handed.append(guest_word - monitor_word)
        monitor.append(processor_seconds(text) - guest_word)
    least, with_monitor = min(native) - min(load), min(monitor)
    report("processor time of a native boot, s", least)
    report("processor time under the monitor, s", with_monitor, note=f"and {min(handed):.2f} from GRUB to the guest's start")
    report("their ratio", with_monitor / least, 1.15)
    # A monitor that answers each exit at once with nothing: what is left is the emulator's own.
    few, many = (min(processor_seconds(boot("--append", f"rounds={rounds}", "--emulator", WITH_SVM, description=kernel(
        "null-monitor", "../guests/bench_null_monitor.elf"), machine="native")) for _ in range(RUNS))
        for rounds in (1000, NULL_ROUNDS))
    empty = (many - few) / (NULL_ROUNDS - 1000)
    report("that ratio for a null monitor with as many exits", (least + empty * min(exit_counts)) / least,
           note=f"{empty * 1e6:.1f} us each, the emulator's own")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ring0", type=str.split, default=[], help="the files that count as ring 0")
    parser.add_argument("--only", choices=["size", "round-trips", "serial", "boot", "disk", "sequence", "firmware", "screen",
                                           "ratio", "generations"], help="one part")
    parser.add_argument("--strict", action="store_true", help="status 1 if a budget is exceeded")
    arguments = parser.parse_args()
    parts = {"size": lambda: bench_size(arguments.ring0), "round-trips": bench_round_trips, "serial": bench_serial,
             "boot": bench_boot, "disk": bench_disk, "sequence": bench_sequence, "firmware": bench_firmware, "screen": bench_screen,
             "ratio": bench_ratio, "generations": bench_generations}
    if not shutil.which("qemu-system-x86_64"):
        sys.exit("bench: qemu-system-x86_64 is missing; make setup installs it")
    WORK.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, part in parts.items():
        if arguments.only in (None, name):
            try:
                part()
            except RuntimeError as error:
                failed.append(name)
                print(f"FAILED {name}: {error}", flush=True)
    print(f"bench: {len(held)} of {len(held) + len(over)} budgets held, in {time.monotonic() - started:.0f} s" +
          (f"; over: {', '.join(over)}" if over else "") + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed or (arguments.strict and over) else 0


if __name__ == "__main__":
    sys.exit(main())
