"""GDB at a guest (`nr gdb`): Debian's gdb in batch mode stops FreeDOS at its boot sector and goes through it in real mode, stops
a stock kernel at start_kernel and shows the way there; and guests go on when it leaves, as if nothing had been."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from nullring import DONE, NR, TREE, UNEXPECTED, USAGE, WORK, Live, description

GUESTS = pathlib.Path(os.environ.get("NULLRING_GUESTS", TREE.parent / "shared" / "guests"))
FREEDOS = GUESTS / "freedos-1440.img"
SECONDS = 120



def wait_for(look, what):
    for _ in range(SECONDS * 2):
        if look():
            return
        time.sleep(0.5)
    raise AssertionError(f"not seen: {what}")


class Stub:
    """`nr gdb GUEST` and the port that it prints."""

    def __init__(self, live, guest):
        wait_for(lambda: f"{guest} " in subprocess.run([NR, "list"], capture_output=True, text=True, env=live.environment,
                                                       check=False).stdout, f"{guest} in nr list")
        self.process = subprocess.Popen([NR, "gdb", guest], stdout=subprocess.PIPE, text=True, env=live.environment)
        self.command = self.process.stdout.readline().strip()
        assert re.fullmatch(r"target remote 127\.0\.0\.1:\d+", self.command), self.command

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def gdb(self, *commands):
        words = [word for command in (self.command, *commands) for word in ("-ex", command)]
        run = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off", *words],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
        return run.stdout + run.stderr


def freedos():
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / "gdb-freedos.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "freedos";
    memory {{ size-mib = <16>; }};
    chosen {{ loader = "bios"; }};
    floppy0 {{ compatible = "nullring,floppy"; image = "{FREEDOS}"; }};
}};
""")
    return path


@pytest.mark.skipif(not FREEDOS.exists(), reason="FreeDOS's diskette is not there")
def test_freedos_from_its_boot_sector():
    with Live("--machine", "svm", "--paused", freedos()) as live, Stub(live, "freedos") as stub:
        out = stub.gdb("p/x $cs_base + $eip", "break *0xfe05b", "continue", "x/1xb 0xfe05b", "break *0x7c00", "continue", "delete",
                       "p/x $eip", "x/3xb 0x7c00", "stepi", "p/x $eip", "stepi", "stepi", "p/x $cs * 16 + $eip", "detach")
        sector = FREEDOS.read_bytes()[:512]
        assert sector[0] == 0xEB  # JMP
        first = 0x7C00 + 2 + sector[1]
        assert "$1 = 0xfffffff0" in out, out
        assert "guest freedos: starts, held before its first instruction\n" in live.lines.read_text(), live.lines.read_text()
        assert "SIGTRAP" in out and "0x0000e05b in" in out and "0xfe05b:\t0x2e" in out, out  # in ROM: behind the reset vector
        assert "Breakpoint 2, 0x00007c00 in" in out and "$2 = 0x7c00" in out, out
        assert "0x7c00:\t" + "\t".join(f"0x{byte:02x}" for byte in sector[:3]) in out, out
        assert f"$3 = 0x{first:x}" in out, out
        behind = int(re.search(r"\$4 = (0x\w+)", out)[1], 16)
        assert first + 2 <= behind <= first + 12, out
        wait_for(lambda: "A:\\>" in subprocess.run([NR, "screen", "freedos"], capture_output=True, text=True,
                                                   env=live.environment, check=False).stdout, "the prompt")


def test_debian_at_start_kernel():
    """Where it is the guest's own /proc/kallsyms says; then the guest is reset, and stops there on its way up."""
    names = ["start_kernel", "i386_start_kernel", "startup_32_smp"]
    guest = description("debian-686", "gdb-debian", model='"debian"', bootargs="console=ttyS0 quiet nokaslr")
    with Live("--machine", "svm", guest) as live:
        console = live.console
        wait_for(lambda: "guest:/# " in console.read_text(errors="replace"), "a shell")
        live.process.stdin.write(b"\rgrep -wE 'start_kernel|i386_start_kernel|startup_32_smp' /proc/kallsyms; echo en''d\r")
        live.process.stdin.flush()
        wait_for(lambda: "\nend" in console.read_text(errors="replace"), "addresses")
        address = {name: int(where, 16) for where, name in
                   re.findall(r"^([0-9a-f]{8}) [tT] (\w+)\r?$", console.read_text(errors="replace"), re.M)}
        assert address["start_kernel"] > 0xC0000000 and set(address) <= set(names), address
        with Stub(live, "debian") as stub:
            subprocess.Popen(["sh", "-c", f"sleep 3; {NR} reset debian"], env=live.environment)
            out = stub.gdb(f"hbreak *{address['start_kernel']:#x}", f"break *{address['start_kernel']:#x}", "continue",
                           "p/x $eip", "p/x $cr0 & 0x80000001", "bt 3", "delete", "detach")
            assert f"$1 = {address['start_kernel']:#x}" in out, out
            assert "$2 = 0x80000001" in out, out
            frames = [int(frame, 16) for frame in re.findall(r"^#\d +(0x[0-9a-f]+) in", out, re.M)]
            assert frames[0] == address["start_kernel"] and len(frames) >= 2, out
            assert any(0 < frames[1] - address[name] < 0x400 for name in names[1:] if name in address), out  # it may be a jump
        wait_for(lambda: console.read_text(errors="replace").count("guest:/# ") >= 3, "a shell again")


def test_debian_amd64_on_two_processors():
    """64-bit registers; a breakpoint that one of two processors comes to holds both; then the way to start_kernel; and an INT3 of
    the kernel's own (int3_selftest) on the way to rest_init is the kernel's."""
    names = ["start_kernel", "x86_64_start_kernel", "x86_64_start_reservations", "secondary_startup_64_no_verify",
             "__x64_sys_newuname", "rest_init"]
    guest = description("debian-amd64", "gdb-amd64", cpus=2, model='"amd64"', bootargs="console=ttyS0 quiet nokaslr")
    with Live("--machine", "svm", guest) as live:
        console = live.console
        wait_for(lambda: "guest:/# " in console.read_text(errors="replace"), "a shell")
        live.type("\rgrep -wE '" + "|".join(names) + "' /proc/kallsyms; echo en''d\r")
        wait_for(lambda: "\nend" in console.read_text(errors="replace"), "addresses")
        address = {name: int(where, 16) for where, name in
                   re.findall(r"^([0-9a-f]{16}) [tT] (\w+)\r?$", console.read_text(errors="replace"), re.M)}
        uname, start = address["__x64_sys_newuname"], address["start_kernel"]
        assert min(uname, start) > 0xFFFFFFFF80000000, address
        live.type("while uname; do :; done\r")
        with Stub(live, "amd64") as stub:
            out = stub.gdb(f"break *{uname:#x}", "continue", "info threads", "p/x $rip", "delete", "stepi", "stepi",
                           "p $rip > " + hex(uname), "thread 1", "p/x $efer & 0x400", "thread 2", "p/x $efer & 0x400", "detach")
            assert f"$1 = {uname:#x}" in out and "$2 = 1" in out and "$3 = 0x400" in out and "$4 = 0x400" in out, out
            assert re.search(r"^[* ] +1 +Thread 1 \(vCPU 0\)", out, re.M) and re.search(r"Thread 2 \(vCPU 1\)", out), out
            said = console.read_text(errors="replace").count("Linux")
            wait_for(lambda: console.read_text(errors="replace").count("Linux") > said + 2, "the guest going on")
            subprocess.Popen(["sh", "-c", f"sleep 3; {NR} reset amd64"], env=live.environment)
            out = stub.gdb(f"break *{start:#x}", "continue", "p/x $rip", "p/x $cr0 & 0x80000001", "bt 3", "info threads", "delete",
                           f"break *{address['rest_init']:#x}", "continue", "p/x $rip", "detach")
            assert f"$1 = {start:#x}" in out and "$2 = 0x80000001" in out and "Thread 2 (vCPU 1)" in out, out
            assert f"$3 = {address['rest_init']:#x}" in out, out
            frames = [int(frame, 16) for frame in re.findall(r"^#\d +(0x[0-9a-f]+) in", out, re.M)]
            assert frames[0] == start and len(frames) >= 2, out
            assert any(0 < frames[1] - address[name] < 0x400 for name in names[1:4] if name in address), out
        wait_for(lambda: console.read_text(errors="replace").count("guest:/# ") >= 2, "a shell again")


def kernel(machine):
    elf = TREE / "build" / "guests" / "exceptions.elf"
    path = WORK / f"gdb-kernel-{machine.replace(':', '-')}.dts"
    WORK.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "kernel";
    memory {{ size-mib = <64>; }};
    chosen {{ loader = "multiboot"; kernel = "{elf}"; bootargs = "nonce=1"; }};
}};
""")
    return path, elf


@pytest.mark.parametrize("machine", ["vmx:haswell", "vmx:penryn", "bochs-svm:ryzen", "svm", "svm:no-npt"])
def test_what_debug_registers_watch(machine):
    """`hbreak`, `watch` and `rwatch` on processors of both vendors, where the kernel's own faults come between; and the kernel
    then finds nothing wrong. QEMU arms no debug registers: there `hbreak` is `break`, and GDB says that it cannot watch."""
    guest, elf = kernel(machine)
    with Live("--machine", machine, "--paused", guest) as live, Stub(live, "kernel") as stub:
        out = stub.gdb(f"file {elf}", "hbreak guest_main", "continue", "p $eip == (unsigned)&guest_main", "p fault_resume", "delete",
                       "watch fault_resume", "continue", "p fault_resume != 0", "continue", "p fault_resume", "delete",
                       "rwatch fault_resume", "continue", "delete",
                       "break check_fault", "continue", "bt 2", "delete", "detach")
        assert "Breakpoint 1, guest_main ()" in out and "$1 = 1" in out and "$2 = 0" in out, out
        if machine.startswith("svm"):
            assert out.count("Could not insert hardware") >= 3 and "New value" not in out, out
        else:
            assert re.search(r"Old value = 0\nNew value = [0-9]+\n.*\n.*\n\$3 = 1\n", out), out
            assert re.search(r"Old value = [0-9]+\nNew value = 0\ninterrupt_dispatch .*\n.*\n\$4 = 0\n", out), out
            assert re.search(r"Hardware read watchpoint 3: fault_resume\n\nValue = 0\n", out), out
        assert re.search(r'Breakpoint 4, check_fault \(name=.*"DIV by 0"', out), out
        assert re.search(r"^#1 .* in test_faults \(\)", out, re.M), out
        wait_for(lambda: "checks, 0 failed" in live.console.read_text(errors="replace"), "the kernel's end")


def test_wrong_uses():
    """A stub that is asked for nonsense, and a GDB that is cut off: the guest goes on."""
    with Live("--machine", "svm", "--paused", description("debian-686", "gdb-wrong", model='"wrong"')) as live, \
            Stub(live, "wrong") as stub:
        for words, status, sentence in ((["nobody"], USAGE, 'no guest is called "nobody"'),
                                        (["--port", "70000", "wrong"], USAGE, "a number from 1 to 65535 is wanted"),
                                        (["--arch", "arm", "wrong"], USAGE, "i386 or x86-64 is wanted"),
                                        (["wrong"], UNEXPECTED, "another nr gdb is there for it; end that one, or use its port"),
                                        (["--port", stub.command.rsplit(":", 1)[1], "wrong"], UNEXPECTED, "in use")):
            run = subprocess.run([NR, "gdb", *words], capture_output=True, text=True, env=live.environment, timeout=60,
                                 check=False)
            assert run.returncode == status and sentence in run.stderr, run.stderr
        for bytes_sent in (b"", b"$g#", b"$g#00", bytes(range(256)) * 50, b"$m0,ffffffffffffffff#00", b"$vCont;s:1#00", b"$k#6b"):
            end = socket.create_connection(("127.0.0.1", int(stub.command.rsplit(":", 1)[1])), timeout=30)
            end.sendall(bytes_sent)
            end.close()
        out = stub.gdb("p/x $eflags", "detach")
        assert "$1 = 0x" in out, out
        wait_for(lambda: "guest:/# " in live.console.read_text(errors="replace"), "a shell")
        with socket.create_connection(("127.0.0.1", int(stub.command.rsplit(":", 1)[1])), timeout=30) as end:
            end.sendall(b"$?#3f")
            wait_for(lambda: ", held\n" in live.nr("inspect", "wrong"), "a guest that is held")
            stub.process.send_signal(signal.SIGINT)  # Ctrl-c: nobody holds it any more
            assert stub.process.wait(timeout=60) == DONE
        assert ", held\n" not in live.nr("inspect", "wrong")
        with Stub(live, "wrong") as killed:  # nobody is left in the way, nor what it has left at the guest
            with socket.create_connection(("127.0.0.1", int(killed.command.rsplit(":", 1)[1])), timeout=30) as end:
                end.sendall(b"$?#3f")
                wait_for(lambda: ", held\n" in live.nr("inspect", "wrong"), "a guest that is held")
                killed.process.kill()
                killed.process.wait()
        with Stub(live, "wrong") as next_one:
            assert "$1 = 0x" in next_one.gdb("p/x $eflags", "detach")
        assert ", held\n" not in live.nr("inspect", "wrong")
        assert subprocess.run([NR, "info", "wrong"], env=live.environment, capture_output=True, check=False).returncode == DONE
