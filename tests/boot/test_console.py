"""The monitor's key and its prompt on the guest's console, with Debian's kernel and a shell as the guest."""

import pexpect
import pytest
from nullring import DONE, NR, TREE, description

EXAMPLE = TREE / "examples" / "debian-686.dts"
KEY = "\x01"


@pytest.fixture(scope="module")
def console():
    """A guest at its shell; what one test leaves, the next one finds."""
    terminal = pexpect.spawn(str(NR), ["boot", "--machine", "svm", "--append", "quiet", str(EXAMPLE)], timeout=240,
                             encoding="utf-8", codec_errors="replace")
    terminal.expect("guest:/# ")
    yield terminal
    terminal.close(force=True)


def test_help(console):
    console.send(KEY + "h")
    console.expect("Ctrl-a m  the monitor's prompt")
    console.send("echo $((6 * 7))ok\r")
    console.expect("\r\n42ok")


def test_a_break_reaches_the_kernel(console):
    """On a serial console a break and a key are a command for the kernel itself: h lists them."""
    console.send("echo 1 > /proc/sys/kernel/sysrq; echo 8 > /proc/sys/kernel/printk; echo re''ady\r")
    console.expect("ready")
    console.send(KEY + "b")
    console.send("h")
    console.expect("sysrq: HELP")


def test_prompt(console):
    console.send(KEY + "m")
    console.expect("nullring> ")
    console.send("list\r")
    console.expect(r"\* debian-686 +running")
    console.expect("nullring> ")
    console.send("info\r")
    console.expect(r"running, 1 vCPUs, \d+ upcalls, device model restarted 0 times")
    console.expect(r"\d+ exits: I/O")
    console.expect("nullring> ")
    console.send("why debian-686\r")
    console.expect("the last exits of vCPU 0, oldest first:")
    console.expect(r"us before the last: I/O at [0-9a-f]+, (read|write) of port 0x")
    console.expect("nullring> ")
    console.send("reset nobody\r")
    console.expect('no guest is called "nobody"')
    console.expect("nullring> ")
    console.send("quit\r")
    console.send("\recho $((6 * 8))ok\r")
    console.expect("\r\n48ok")


def test_the_power_button_reaches_the_guest(console):
    """PWRBTN_STS is bit 8 of the PIIX4's PMSTS at 0x600. No driver takes the event in this initrd."""
    read = "dd if=/dev/port bs=1 skip=1537 count=1 2>/dev/null | hexdump -e '\"pmsts %x\"'; echo\r"
    console.send(read)
    console.expect("\r\npmsts 0\r\n")
    console.send(KEY + "m")
    console.expect("nullring> ")
    console.send("power\r")
    console.expect("nullring> ")
    console.send("quit\r")
    console.send("\r" + read)
    console.expect("\r\npmsts 1\r\n")


def test_destroy(console):
    console.send(KEY + "m")
    console.expect("nullring> ")
    console.send("destroy\r")
    console.expect("nullring: guest debian-686: killed: destroyed from the console")
    console.send("quit\r")
    console.expect("all guests have ended, status 1")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus != DONE


def test_two_consoles_on_one_terminal():
    """Each guest's lines have its name in front; keys go to one of them, and Ctrl-a n chooses the other."""
    guests = [str(description("debian-686", f"console-{name}", model=f'"{name}"', bootargs="console=ttyS0 quiet"))
              for name in ("left", "right")]
    terminal = pexpect.spawn(str(NR), ["boot", "--machine", "svm", "--cpus", "2", *guests], timeout=240, encoding="utf-8",
                             codec_errors="replace")
    waiting = {"left", "right"}
    while waiting:
        terminal.expect(r"\[(left|right)\] guest:/# ")
        waiting.discard(terminal.match[1])
    for name in ("left", "right", "left"):
        terminal.send(f"hostname {name}; echo $((6 * 7))-$(hostname)\r")
        terminal.expect(rf"\[{name}\] 42-{name}\r\n")
        terminal.expect(rf"\[{name}\] guest:/# ")
        terminal.send(KEY + "n")
        terminal.expect(r"\[monitor\] input goes to (left|right)")
    terminal.send(KEY + "x")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == DONE
