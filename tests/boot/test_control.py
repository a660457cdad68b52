"""The control line: commands of nr to a running monitor, through the hub of nr boot and straight to a serial port. What is
wrong on the line gets a clear answer or none, and costs neither the monitor nor a guest anything."""

import os
import re
import select
import socket
import struct
import subprocess
import time
import zlib

import pexpect
import pytest
from nullring import DONE, NR, TIMEOUT, TREE, UNEXPECTED, USAGE, WORK, description

SECONDS = 240
REQUEST, PIECE, END = 1, 2, 3
HELLO, LIST, EVENTS, DEBUG, STOPPED, DISK, EJECT, INSERT = 0, 1, 13, 14, 15, 17, 18, 19
COMMANDS = 20
NO_EVENTS = "these are no keys and motions of a mouse"
DISC = 2048


def disc(name):
    """What an image in the drives below holds."""
    return (name.encode() * DISC)[:3 * DISC] + bytes(5 * DISC)


def with_drives(path):
    """The description with a CD drive and a floppy drive, and what each of them may have."""
    for name in ("one", "two"):
        (WORK / f"control-{name}.iso").write_bytes(disc(name))
        (WORK / f"control-{name}.img").write_bytes(disc(name).ljust(1440 << 10, b"\0"))
    (WORK / "control-large.img").write_bytes(bytes(1200 << 10))
    text = path.read_text().replace("    disk0 {", """
    cd0 { compatible = "nullring,ide-cd"; image = "control-one.iso"; others = "control-two.iso"; };
    cd1 { compatible = "nullring,ide-cd"; };
    floppy0 { compatible = "nullring,floppy"; others = "control-two.img", "control-large.img"; };
    disk0 {""")
    if "left" in path.name:
        text = text.replace('floppy0 { compatible = "nullring,floppy"; ', 'floppy0 { compatible = "nullring,floppy"; '
                            'image = "control-one.img"; ')
    path.write_text(text)
    return path


class Machine:
    """A monitor with two guests at their shells; commands() finds it as a user's nr does."""

    def __init__(self, directory):
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(directory))
        guests = [str(with_drives(description("debian-686", f"control-{name}", model=f'"{name}"',
                                              bootargs="console=ttyS0 quiet"))) for name in ("left", "right")]
        self.output = directory / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen([NR, "boot", "--machine", "svm", "--name", "test", *guests], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        for name in ("left", "right"):
            self.wait_for(f"[{name}] guest:/# ")

    def wait_for(self, text):
        """On the machine's own console, or in its log."""
        for _ in range(SECONDS * 5):
            if text in self.output.read_text(errors="replace"):
                return
            time.sleep(0.2)
        raise AssertionError(f"not seen: {text}")

    def nr(self, *arguments, keys=b"", seconds=60):
        run = subprocess.run([NR, *map(str, arguments)], input=keys, capture_output=True, timeout=seconds, check=False,
                             env=self.environment)
        return run.returncode, run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace")

    def connect(self):
        end = socket.socket(socket.AF_UNIX)
        end.connect(self.environment["XDG_RUNTIME_DIR"] + "/nullring/test")  # waits while the queue of the listener is full
        end.settimeout(20)
        return end

    def works(self):
        status, out, _ = self.nr("list")
        return status == DONE and "left " in out and "right " in out


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    running = Machine(tmp_path_factory.mktemp("runtime"))
    yield running
    running.process.terminate()
    running.process.wait()


def frame(kind, number, payload=b"", length=None, version=1):
    head = struct.pack("<HBBIII", 0xBA4E, version, kind, number, 0, len(payload) if length is None else length)
    return head + struct.pack("<I", zlib.crc32(head)) + payload + struct.pack("<I", zlib.crc32(payload))


def request(number, command, guest=b"", data=b"", version=1):
    return frame(REQUEST, number, struct.pack("<IIQ32s", command, 0, 0, guest) + data, version=version)


def answers(end, number):
    """The frames that belong to a request, up to its end."""
    found, stream = [], b""
    while not found or found[-1][0] != END:
        stream += end.recv(4096)
        while len(stream) >= 24:
            _, _, kind, name, _, length, _ = struct.unpack("<HBBIIII", stream[:20])
            if len(stream) < 24 + length:
                break
            if name == number:
                found.append((kind, stream[20:20 + length]))
            stream = stream[24 + length:]
    return found


def error_of(found):
    return struct.unpack("<I", found[-1][1][:4])[0], found[-1][1][8:].decode()


def test_list(machine):
    status, out, _ = machine.nr("list")
    assert status == DONE
    lines = out.splitlines()
    assert lines[0].split() == ["GUEST", "STATE", "CPUS", "MEMORY", "EXITS", "UPCALLS"]
    assert [line.split()[:5] for line in lines[1:]] == [[name, "running", "1", "256", "MiB"] for name in ("left", "right")]
    assert all(int(line.split()[5]) > 1000 for line in lines[1:])
    for monitor in ("test", machine.environment["XDG_RUNTIME_DIR"] + "/nullring/test"):
        assert machine.nr("list", "--monitor", monitor)[0] == DONE


def test_reports(machine):
    status, out, _ = machine.nr("info", "left")
    assert status == DONE and "running, 1 vCPUs, " in out and " exits: I/O\n" in out
    status, out, _ = machine.nr("why", "right")
    assert status == DONE and out.startswith("the last exits of vCPU 0, oldest first:\n")
    assert len(out.splitlines()) == 257 and "us before the last: " in out.splitlines()[-1]
    status, out, _ = machine.nr("needs", "left")
    assert status == DONE and "kinds of access that nobody claimed" in out and "read of port 0x" in out


# Each command about a guest, with what it needs behind the guest's name.
OF_A_GUEST = [("info",), ("why",), ("needs",), ("console",), ("power",), ("reset",), ("destroy",), ("pause",), ("resume",),
              ("inspect",), ("gdb",), ("screen",), ("screenshot",), ("type", "text"), ("key", "enter"), ("mouse", "click=left"),
              ("disk list",), ("disk pull", "disk0"), ("eject", "cd0"), ("insert", "cd0")]


@pytest.mark.parametrize("words", OF_A_GUEST, ids=lambda words: words[0])
def test_unknown_guest(machine, tmp_path, words):
    command, behind = words[0].split(), list(words[1:])
    if words[0] in ("screenshot", "disk pull"):
        behind += ["-o", tmp_path / "out"]
    status, out, lines = machine.nr(*command, "nobody", *behind)
    assert (status, out) == (USAGE, "")
    assert lines == 'nr: no guest is called "nobody"; nr list shows those there are\n'
    status, _, lines = machine.nr(*command, "n" * 40, *behind)
    assert status == USAGE and "a name has at most 31 characters" in lines
    status, _, lines = machine.nr(*command)
    assert status == USAGE and "no guest given" in lines
    status, _, lines = machine.nr(*command, "left", *["word"] * 70)
    assert status == USAGE and "one word too many" in lines
    status, _, lines = machine.nr(*command, "left", *behind, "--no-such-option")
    assert status == USAGE and "no-such-option" in lines
    status, _, lines = machine.nr(*command, "left", *behind, "--monitor", "other")
    assert status == USAGE and "there is no such run" in lines
    assert machine.works() and not list(tmp_path.iterdir())


def test_each_command_is_tested():
    """The commands that `nr --help` lists, but for those that speak to no monitor, stand in the table above; and those of the
    protocol in the tests below."""
    lines = subprocess.run([NR, "--help"], capture_output=True, text=True, check=True).stdout.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    assert listed - {"check", "image", "boot", "list"} == {words[0].split()[0] for words in OF_A_GUEST}
    text = (TREE / "include" / "control.h").read_text()
    assert len(re.findall(r"^    CONTROL_\w+,", text.split("enum control_command {")[1].split("};")[0], re.M)) == COMMANDS + 1


def test_which_monitor(machine, tmp_path):
    status, _, lines = machine.nr("list", "--monitor", "other")
    assert status == USAGE and "there is no such run; there are test" in lines
    status, _, lines = machine.nr("list", "--monitor", "/nowhere/socket")
    assert status == USAGE and "/nowhere/socket: No such file" in lines
    second = socket.socket(socket.AF_UNIX)
    path = machine.environment["XDG_RUNTIME_DIR"] + "/nullring/second"
    second.bind(path)
    second.listen()
    status, _, lines = machine.nr("list")
    assert status == USAGE and "2 monitors run here" in lines and "test" in lines and "second" in lines
    assert machine.nr("list", "--monitor", "test")[0] == DONE
    second.close()  # what a run that was killed leaves is none
    assert machine.works()
    os.unlink(path)
    run = subprocess.run([NR, "list"], env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)), capture_output=True, check=False)
    assert run.returncode == UNEXPECTED and b"no monitor runs here" in run.stderr


def test_a_directory_of_others_is_not_used(tmp_path):
    (tmp_path / "nullring").mkdir(mode=0o777)
    (tmp_path / "nullring").chmod(0o777)
    run = subprocess.run([NR, "list"], env=dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path)), capture_output=True, check=False)
    assert run.returncode == UNEXPECTED and b"is not a directory of yours alone" in run.stderr


def console(machine, guest):
    return pexpect.spawn(str(NR), ["console", guest], timeout=60, encoding="utf-8", codec_errors="replace",
                         env=machine.environment)


def test_consoles(machine):
    """Two at a time on different guests, and two on one; what one asks, no other guest hears."""
    left, right, also = console(machine, "left"), console(machine, "right"), console(machine, "left")
    for terminal in (left, right, also):
        terminal.expect("guest:/# ")  # from before
    left.send("echo $((6 * 7))-left\r")
    left.expect("\r\n42-left\r\n")
    also.expect("\r\n42-left\r\n")
    right.send("echo $((6 * 8))-right\r")
    right.expect("\r\n48-right\r\n")
    machine.wait_for("[right] 48-right")  # the machine's own console shows it, too
    also.send("\x01x")
    also.expect(pexpect.EOF)
    also.close()
    assert also.exitstatus == DONE
    right.kill(9)
    left.send("seq 1 3000\r")
    left.expect("\r\n2999\r\n3000\r\n")
    left.send("\x01x")
    left.expect(pexpect.EOF)
    assert machine.works()


def test_a_console_that_nobody_reads_holds_up_no_other(machine):
    stuck = machine.connect()
    stuck.sendall(frame(REQUEST, 5, struct.pack("<IIQ32s", 5, 0, 0, b"left")))
    left = console(machine, "left")
    left.expect("guest:/# ")
    left.send("seq 1 4000; echo ''end\r")
    left.expect("\r\n4000\r\nend\r\n")
    left.send("\x01x")
    left.expect(pexpect.EOF)
    stuck.close()
    assert machine.works()


def guest_clocks(terminal):
    """What a guest's kernel and the chip of its RTC say, in seconds, and when it was asked."""
    asked = time.monotonic()
    terminal.send("echo $(cut -d' ' -f1 /proc/uptime) $(cat /sys/class/rtc/rtc0/since_epoch)\r")
    terminal.expect(r"\r\n(\d+\.\d+) (\d+)\r\n")
    return float(terminal.match[1]), int(terminal.match[2]), asked


def test_pause_and_inspect(machine):
    """A guest that is paused executes nothing, its clocks stand, and it can be looked at; its neighbour does not notice."""
    left, right = console(machine, "left"), console(machine, "right")
    for terminal in (left, right):
        terminal.expect("guest:/# ")
    status, out, _ = machine.nr("inspect", "left")
    assert status == DONE and re.match(r"vCPU 0: protected mode, 32-bit code, (runs|halted)\n", out)
    assert re.search(r"cr3 [1-9a-f][0-9a-f]*000 ", out) and "\n8259 master: " in out and "\nIOAPIC pin 23: " in out
    before, others = guest_clocks(left), guest_clocks(right)
    assert machine.nr("pause", "left") == (DONE, "", "")
    paused = time.monotonic()
    assert machine.nr("pause", "left") == (DONE, "", "")
    first, second = machine.nr("inspect", "left"), machine.nr("inspect", "left")
    assert first[0] == DONE and ", held\n" in first[1]
    assert re.search(r" ip .*", first[1])[0] == re.search(r" ip .*", second[1])[0]
    left.send("echo $((7 * 7))-left\r")
    right.send("echo $((8 * 8))-right\r")
    right.expect("\r\n64-right\r\n")
    assert left.expect(["\r\n49-left\r\n", pexpect.TIMEOUT], timeout=3) == 1
    paused = time.monotonic() - paused
    assert machine.nr("resume", "left") == (DONE, "", "")
    left.expect("\r\n49-left\r\n")
    after = guest_clocks(left)
    most = time.monotonic() - before[2] - paused  # that went by for the guest
    assert after[0] - before[0] <= most and after[1] - before[1] <= most + 1, (before, after, most)
    assert guest_clocks(right)[0] - others[0] > 3
    assert machine.nr("resume", "left") == (UNEXPECTED, "", "nr: guest left is not paused\n")
    left.send("\x01x")
    right.send("\x01x")
    assert machine.works()


def debug(number, guest=b"left", op=0, vcpu=0, address=0, length=0, kind=0, data=b""):
    return request(number, DEBUG, guest, struct.pack("<IIQII", op, vcpu, address, length, kind) + data)


def test_wrong_debugger_questions(machine):
    """What is wrong is answered so by the guest's own device model, and changes nothing."""
    end = machine.connect()
    for number, (question, error) in enumerate([
            (debug(0, op=999), 1), (debug(0, op=5, vcpu=77), 2), (debug(0, op=8, vcpu=0xffffffff), 2),
            (debug(0, op=8, length=0xffffffff), 3), (debug(0, op=10), 3), (debug(0, op=7, data=b"x" * 144), 3)], 20):
        end.sendall(frame(REQUEST, number, question[20:-4]))
        found = answers(end, number)
        assert struct.unpack("<I", found[0][1][:4])[0] == error and error_of(found) == (0, "")
    for number, data in ((50, b"short"), (51, b"x" * 900)):
        end.sendall(request(number, DEBUG, b"left", data))
        assert error_of(answers(end, number))[0] == 3
    end.close()
    for _ in range(6):  # who waits for a stop, and goes; as many as may wait to be accepted
        end = machine.connect()
        end.sendall(request(60, STOPPED, b"left") + debug(61, op=1)[:60])
        end.close()
    assert machine.works()
    assert machine.nr("inspect", "left")[0] == DONE


def drives(machine, guest):
    status, out, _ = machine.nr("disk", "list", guest)
    assert status == DONE
    return {line.split()[0]: line.split()[-1] for line in out.splitlines()}


def test_discs_and_diskettes(machine):
    """Out and in; what the guest sees of it, unit tests and tests of whole systems show."""
    assert drives(machine, "left") == {"disk0": "../examples/686/disk.img", "cd0": "control-one.iso", "cd1": "empty",
                                       "floppy0": "control-one.img"}
    assert drives(machine, "right")["floppy0"] == "empty"
    for drive in ("cd0", "floppy0"):
        suffix = "iso" if drive == "cd0" else "img"
        for words, holds in ((("eject",), "empty"), (("insert",), f"control-one.{suffix}"),
                             (("insert", f"control-two.{suffix}"), f"control-two.{suffix}"), (("eject",), "empty"),
                             (("insert", f"control-one.{suffix}"), f"control-one.{suffix}")):
            assert machine.nr(words[0], "left", drive, *words[1:]) == (DONE, "", "")
            assert drives(machine, "left")[drive] == holds
    assert machine.nr("insert", "right", "floppy0", "control-two.img") == (DONE, "", "")
    for words, status, sentence in (
            (("eject", "left", "cd1"), UNEXPECTED, "cd1 is empty"),
            (("eject", "left", "disk0"), USAGE, "disk0 is built in; a CD or floppy drive is wanted"),
            (("eject", "left", "cd2"), USAGE, 'the guest has no drive "cd2"; nr disk list shows those it has'),
            (("eject", "left", "d" * 40), USAGE, f'no drive is called "{"d" * 40}"; nr disk list shows those there are'),
            (("insert", "left", "cd0", "x.iso"), USAGE, 'cd0 takes no "x.iso" but control-one.iso, control-two.iso'),
            (("insert", "left", "cd0", "x" * 200), USAGE, f'no image is called "{"x" * 200}": a name has 1 to 95 characters'),
            (("insert", "left", "cd0", "control-one.iso"), UNEXPECTED, "control-one.iso is in cd0 already"),
            (("insert", "left", "cd1"), USAGE, "cd1 has had nothing in it; it takes nothing"),
            (("insert", "left", "floppy0", "control-large.img"), UNEXPECTED,
             "control-large.img does not fit: it is a diskette of 1200 KiB, and the drive is for others")):
        assert machine.nr(*words) == (status, "", f"nr: {sentence}\n")
    assert machine.works()


def test_copies_of_disks(machine, tmp_path):
    """Of a disk with what the guest has written, as a whole and over its image; of a disc."""
    image = (TREE / "build/examples/686/disk.img").read_bytes()
    text = b"written by left" * 100
    left = console(machine, "left")
    left.expect("guest:/# ")
    left.send("for i in `seq 100`; do printf 'written by left'; done | dd of=/dev/vda bs=1000 seek=3000 2>/dev/null; sync\r")
    left.send("echo $((9 * 9))-done\r")
    left.expect("\r\n81-done\r\n")
    left.send("\x01x")
    expected = image[:3000000] + text + image[3000000 + len(text):]
    note = "nr: guest left runs: what it writes while disk0 is copied may be missing; nr pause makes it stand still\n"
    path = tmp_path / "copy"
    assert machine.nr("disk", "pull", "left", "disk0", "-o", path) == (DONE, "", note)
    assert path.read_bytes() == expected and path.stat().st_blocks * 512 < len(image)
    assert machine.nr("pause", "left")[0] == DONE
    assert machine.nr("disk", "pull", "left", "disk0", "-o", path, "--base", TREE / "build/examples/686/disk.img") == (DONE, "", "")
    assert path.read_bytes() == expected
    assert machine.nr("resume", "left")[0] == DONE
    assert machine.nr("disk", "pull", "left", "cd0", "-o", path) == (DONE, "", "")
    assert path.read_bytes() == disc("one")
    assert machine.nr("disk", "pull", "right", "disk0", "-o", path)[0] == DONE
    assert path.read_bytes() == image
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


def test_a_copy_tells_how_far_it_is(machine, tmp_path):
    """On a terminal alone: elsewhere nothing is said (test_copies_of_disks)."""
    copy = pexpect.spawn(str(NR), ["disk", "pull", "right", "disk0", "-o", str(tmp_path / "copy")], timeout=60, encoding="utf-8",
                         env=machine.environment)
    copy.expect(r"\rnr: disk0: ([0-9]+) of 4 MiB, 100 % \r?\n")
    assert copy.match[1] == "4" and re.search(r"nr: guest right runs: ", copy.before), copy.before
    said = [int(each) for each in re.findall(r"\rnr: disk0: [0-9] of 4 MiB, ([0-9]+) % ", copy.before)]
    assert said == sorted(said), copy.before
    copy.expect(pexpect.EOF)
    copy.close()
    assert copy.exitstatus == DONE


def test_wrong_copies(machine, tmp_path):
    """Each leaves the file that was there, and nothing beside it."""
    path = tmp_path / "copy"
    path.write_text("old")
    for words, status, sentence in (
            (("left", "disk1", "-o", path), USAGE, 'the guest has no drive "disk1"; nr disk list shows those it has'),
            (("left", "cd1", "-o", path), UNEXPECTED, "cd1 is empty"),
            (("left", "disk0", "-o", tmp_path / "none" / "copy"), UNEXPECTED, "none/copy: cannot be written: No such file or dir"),
            (("left", "disk0", "-o", tmp_path), USAGE, "there is something of this name that is no file"),
            (("left", "disk0", "-o", "/dev/null"), USAGE, "there is something of this name that is no file"),
            (("left", "disk0", "-o", path, "--base", "/none"), USAGE, "/none: cannot be read: No such file or directory"),
            (("left", "disk0", "-o", path, "--base", WORK / "control-one.iso"), USAGE,
             "control-one.iso is not what disk0 of guest left was started with; give that, or no --base"),
            (("left", "disk0"), USAGE, "-o FILE is missing"), (("left",), USAGE, "DRIVE wanted")):
        code, out, lines = machine.nr("disk", "pull", *words)
        assert (code, out) == (status, "") and sentence in lines, lines
    for words in ((), ("push",), ("list",)):
        status, _, lines = machine.nr("disk", *words)
        assert status == USAGE and lines
    assert path.read_text() == "old" and [each.name for each in tmp_path.iterdir()] == ["copy"]
    assert machine.works()


class Between:
    """Somebody between nr and the hub, who passes on so many bytes of answers and then does something else."""

    def __init__(self, machine, directory):
        self.path = directory / "between"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.machine = machine

    def accept(self):
        self.near, self.far = self.listener.accept()[0], self.machine.connect()
        self.listener.close()
        self.path.unlink()

    def pass_on(self, count):
        """Fewer when one of them has gone."""
        while count > 0:
            for end in select.select([self.near, self.far], [], [], 60)[0]:
                received = end.recv(4096 if end is self.near else min(1000, count))
                if not received:
                    return
                (self.far if end is self.near else self.near).sendall(received)
                count -= len(received) if end is self.far else 0

    def hang_up(self):
        self.near.close()
        self.far.close()


def test_a_copy_over_a_connection_that_is_cut(machine, tmp_path):
    for count in (0, 500, 3000, 6000):
        between = Between(machine, tmp_path)
        process = subprocess.Popen([NR, "disk", "pull", "left", "cd0", "-o", tmp_path / "copy", "--monitor", between.path],
                                   stderr=subprocess.PIPE)
        between.accept()
        between.pass_on(count)
        between.hang_up()
        lines = process.communicate(timeout=60)[1].decode()
        assert process.returncode == UNEXPECTED and "the connection to the monitor was cut" in lines, lines
        assert not list(tmp_path.iterdir())
    assert machine.works()


def test_garbage(machine):
    end = machine.connect()
    end.sendall(bytes(range(256)) * 20 + request(7, HELLO)[:30])
    end.sendall(frame(REQUEST, 8, b"", length=0xFFFFFFFF) + request(9, HELLO))
    found = answers(end, 9)
    assert [kind for kind, _ in found] == [PIECE, END]
    assert struct.unpack("<II", found[0][1]) == (1, 2)
    assert error_of(found) == (0, "")
    assert machine.works()


def test_a_cut_connection(machine):
    for length in range(0, 70, 7):
        end = machine.connect()
        end.sendall(request(3, LIST)[:length])
        end.close()
    for _ in range(40):  # more than the hub serves at a time
        end = machine.connect()
        end.sendall(request(4, 5, b"left"))
        end.close()
    assert machine.works()


@pytest.mark.parametrize("bytes_sent, error, sentence", [
    (frame(REQUEST, 2, b"short"), 3, "the request is too short"),
    (frame(REQUEST, 2, struct.pack("<IIQ32s", 2, 0, 0, b"x" * 32)), 3, "the guest's name does not end"),
    (request(2, 12345), 2, "this monitor does not have the command"),
    (request(2, 0xFFFFFFFF), 2, "this monitor does not have the command"),
    (request(2, 2, b"nobody"), 4, 'no guest is called "nobody"'),
    (request(2, EVENTS, b"left"), 3, NO_EVENTS),
    (request(2, EVENTS, b"left", struct.pack("<BBBbhh", 1, 0x1E, 0, 0, 0, 0) + b"\1"), 3, NO_EVENTS),
    (request(2, EVENTS, b"left", struct.pack("<BBBbhh", 1, 0x80, 0, 0, 0, 0)), 3, NO_EVENTS),
    (request(2, EVENTS, b"left", struct.pack("<BBBbhh", 1, 0x1E, 0, 0, 0, 0) + struct.pack("<BBBbhh", 6, 1, 0, 0, 0, 0)), 3,
     NO_EVENTS),
    (request(2, STOPPED, b"nobody"), 4, 'no guest is called "nobody"'),
    (request(2, DISK, b"left"), 3, ""),
    (request(2, DISK, b"left", b"disk0".ljust(107, b"\0")), 3, ""),
    (request(2, DISK, b"left", b"d" * 108), 3, ""),
    (request(2, DISK, b"left", bytes(108)), 3, 'the guest has no drive ""; nr disk list shows those it has'),
    (request(2, EJECT, b"left", b"cd0".ljust(109, b"\0")), 3, ""),
    (request(2, INSERT, b"left", b"cd0".ljust(12, b"\0") + b"x" * 96), 3, ""),
    (request(2, HELLO, version=9), 1, "this monitor speaks version 1 of the control protocol, not 9"),
])
def test_wrong_requests(machine, bytes_sent, error, sentence):
    end = machine.connect()
    end.sendall(bytes_sent)
    assert error_of(answers(end, 2)) == (error, sentence)
    end.close()
    assert machine.works()


def test_power_and_reset(machine):
    assert machine.nr("power", "right")[0] == DONE
    right = console(machine, "right")
    right.expect("guest:/# ")
    right.send("\recho wa''s here\r")
    right.expect("\r\nwas here\r\n")
    assert machine.nr("reset", "right")[0] == DONE
    right.expect("Enter 'help'", timeout=SECONDS)
    right.expect("guest:/# ")
    right.send("\recho $((5 * 5))again\r")
    right.expect("\r\n25again\r\n", timeout=SECONDS)
    right.send("\x01x")
    right.expect(pexpect.EOF)
    assert machine.works()


def test_destroy(machine, tmp_path):
    """While somebody follows its console, and another one copies its disk."""
    left = console(machine, "left")
    left.expect("guest:/# ")
    left.send("dd if=/dev/urandom of=/dev/vda bs=1k count=300 2>/dev/null; sync; echo $((6 * 9))-left\r")
    left.expect("\r\n54-left\r\n")
    between = Between(machine, tmp_path)
    process = subprocess.Popen([NR, "disk", "pull", "left", "disk0", "-o", tmp_path / "copy", "--monitor", between.path],
                               stderr=subprocess.PIPE)
    between.accept()
    between.pass_on(5000)
    assert machine.nr("destroy", "left") == (DONE, "", "")
    between.pass_on(1 << 20)
    lines = process.communicate(timeout=60)[1].decode()
    assert process.returncode == UNEXPECTED and re.search(r"nr: (guest left|the guest) has ended", lines), lines
    assert not list(tmp_path.iterdir())
    left.expect(pexpect.EOF)
    left.close()
    assert left.exitstatus == DONE
    machine.wait_for("nullring: guest left: killed: destroyed from the console")
    assert " killed " in machine.nr("list")[1]
    status, _, lines = machine.nr("reset", "left")
    assert (status, lines) == (UNEXPECTED, "nr: guest left has ended: killed\n")
    for words in OF_A_GUEST:  # reports are of it, too
        behind = ["-o", tmp_path / "out"] if words[0] in ("screenshot", "disk pull") else []
        status, out, lines = machine.nr(*words[0].split(), "left", *words[1:], *behind)
        if words[0] in ("info", "why", "needs"):
            assert status == DONE and out
        else:
            assert (status, lines) == (UNEXPECTED, "nr: guest left has ended: killed\n"), words
    assert not list(tmp_path.iterdir())
    assert machine.nr("destroy", "right")[0] == DONE
    machine.wait_for("all guests have ended, status 1")
    assert machine.process.wait(60) != DONE
    assert machine.nr("list")[0] == UNEXPECTED


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A monitor on a machine that nr did not start: its second serial port is a socket, with no hub before it."""
    directory = tmp_path_factory.mktemp("port")
    image, path = directory / "image.iso", directory / "com2"
    subprocess.run([NR, "image", "-o", image, TREE / "examples" / "debian-686.dts"], check=True, capture_output=True)
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-cpu", "EPYC", "-m", "512",
         "-drive", f"if=virtio,readonly=on,format=raw,file={image}", "-serial", f"file:{directory}/console",
         "-serial", f"unix:{path},server=on,wait=off"], stderr=subprocess.DEVNULL)
    for _ in range(SECONDS):
        if (directory / "console").exists() and b"guest:/# " in (directory / "console").read_bytes():
            break
        time.sleep(1)
    yield path
    machine.kill()
    machine.wait()


def straight(port):
    for _ in range(100):
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(20)
        try:
            end.connect(str(port))
            return end
        except BlockingIOError:  # QEMU has not taken the last one yet
            end.close()
            time.sleep(0.1)
    raise AssertionError("the emulator takes no connection")


def list_at(port):
    return subprocess.run([NR, "list", "--monitor", port], capture_output=True, check=False, timeout=60)


def test_a_port_without_a_hub(port):
    run = list_at(port)
    assert run.returncode == DONE and b"debian-686 " in run.stdout, run.stderr


def test_garbage_on_the_line(port):
    """Byte by byte at the monitor itself: noise, half frames, a length of 4 GiB, frames with a wrong sum."""
    end = straight(port)
    noise = os.urandom(20000)
    damaged = bytearray(request(6, LIST))
    damaged[30] ^= 1
    end.sendall(noise + request(1, HELLO)[:40] + frame(REQUEST, 2, b"", length=0xFFFFFFFF) + bytes(damaged))
    for number in range(10, 40):
        end.sendall(os.urandom(50) + request(number, HELLO))
        try:
            end.settimeout(2)
            answers(end, number)
        except TimeoutError:  # the noise may have begun like a frame; the next one then ends it
            continue
        break
    else:
        raise AssertionError("no answer after the noise")
    end.close()
    run = list_at(port)
    assert run.returncode == DONE and b" running " in run.stdout, run.stderr


def test_a_line_that_is_cut_in_a_console(port):
    for _ in range(20):  # more than the monitor has room for at a time
        end = straight(port)
        end.sendall(request(11, 5, b"debian-686")[:50])
        end.close()
        end = straight(port)
        end.sendall(request(12, 5, b"debian-686") + request(13, 3, b"debian-686"))
        end.close()
    run = list_at(port)
    assert run.returncode == DONE and b" running " in run.stdout, run.stderr


def test_too_many_requests(port):
    end = straight(port)
    for number in range(100, 117):
        end.sendall(request(number, 5, b"debian-686"))
    assert error_of(answers(end, 116)) == (6, "too many requests at a time")
    end.close()
    assert list_at(port).returncode == DONE


def test_nobody_answers(tmp_path):
    """A line on which there is no monitor."""
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead"))
    dead.listen()
    run = subprocess.run([NR, "info", "--monitor", tmp_path / "dead", "any"], capture_output=True, check=False, timeout=60)
    assert run.returncode == TIMEOUT and b"the monitor does not answer" in run.stderr
