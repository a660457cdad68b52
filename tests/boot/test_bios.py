"""Guests that start from a BIOS: a boot sector made here runs behind Debian's SeaBIOS, on each way of running real mode; the
boot order of the description is kept; a reset brings the firmware back; what all that costs in exits."""

import re
import struct

import pytest
from nullring import DONE, UNEXPECTED, WORK, Live, boot, description

COM1, DEBUG_EXIT, RESET = 0x3F8, 0xF4, 0xCF9
SECTOR = 512
DISK = 1 << 20
EXITS_MAX = 3000  # from the reset vector to the end of the boot sector, on SVM with nested paging


def out(port, value):
    """mov dx, port; mov al, value; out dx, al"""
    return b"\xba" + struct.pack("<H", port) + b"\xb0" + bytes([value]) + b"\xee"


def say(text):
    """By INT 10h, AH=0Eh, and to the serial port."""
    code = b""
    for letter in text.encode():
        code += b"\xb8" + bytes([letter, 0x0E]) + b"\xbb\x07\x00\xcd\x10" + out(COM1, letter)
    return code


END = out(DEBUG_EXIT, 3) + b"\xf4\xeb\xfd"


def disk(name, code):
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / name
    path.write_bytes(code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa" + bytes(DISK - SECTOR))
    return path


def guest(name, *disks, root="", chosen=""):
    nodes = "".join(f'    disk{i} {{ compatible = "{kind}"; image = "{path}"; overlay-mib = <1>; }};\n'
                    for i, (kind, path) in enumerate(disks))
    path = WORK / f"{name}.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "{name}";
    {root}
    memory {{ size-mib = <16>; }};
    chosen {{ loader = "bios"; {chosen} }};
{nodes}}};
""")
    return path


def exits(run):
    return sum(int(count) for count in re.findall(r"info: +(\d+) exits: ", run.lines))


@pytest.mark.parametrize("machine", ["svm", "svm:no-npt", "vmx:haswell", "vmx:lynnfield"])
def test_a_boot_sector_runs(machine):
    path = guest("bios-sector", ("nullring,ide-disk", disk("bios-sector.img", say("sector\r\n") + END)))
    run = boot("--machine", machine, "--why", path)
    assert "sector" in run.console, run.text
    assert run.status == UNEXPECTED, run.text  # the guest ended with a value of its own
    assert "device model restarted 0 times" in run.lines, run.text


def test_few_exits_lead_to_the_boot_sector():
    """The least of three runs: on a busy machine the firmware polls its devices more often before they are ready."""
    path = guest("bios-exits", ("nullring,ide-disk", disk("bios-exits.img", END)))
    least = min(exits(boot("--why", path)) for _ in range(3))
    assert 0 < least <= EXITS_MAX


@pytest.mark.parametrize("machine", ["svm", "native"])
@pytest.mark.parametrize("first", ["disk0", "disk1", "disk2"])
def test_the_boot_order_is_kept(first, machine):
    disks = [(kind, disk(f"bios-order-{i}.img", say(f"disk{i}\r\n") + END))
             for i, kind in enumerate(("nullring,ide-disk", "virtio,block", "nullring,ahci-disk"))]
    run = boot("--machine", machine, guest("bios-order", *disks, root=f'boot = "{first}";'))
    assert run.console.split() == [first], run.text


def test_a_reset_comes_back_through_the_firmware():
    # CMOS byte 0x60 outlives the reset: with a mark in it this is the second time.
    first = say("first\r\n") + out(0x70, 0x60) + out(0x71, 0x5A) + out(RESET, 0x06) + b"\xf4\xeb\xfd"
    check = out(0x70, 0x60) + b"\xe4\x71\x3c\x5a\x0f\x84" + struct.pack("<h", len(first))
    run = boot(guest("bios-reset", ("nullring,ide-disk", disk("bios-reset.img", check + first + say("second\r\n") + END))))
    assert run.console.split() == ["first", "second"], run.text


def test_without_a_drive_the_firmware_says_so():
    run = boot(guest("bios-nothing", chosen='firmware-log = "console";'), expect=["^No bootable device"])
    assert run.status == DONE, run.text
    for line in ("Found QEMU fw_cfg", "QEMU fw_cfg DMA interface supported", "via xsdt"):
        assert line in run.console, run.text


def test_text_of_the_screen_goes_to_the_serial_port_too():
    with Live(guest("bios-serial", chosen='firmware-screen = "serial";')) as live:
        live.wait("bios-serial", "No bootable device", serial=True)


def test_what_is_expected_may_come_on_the_screen():
    """Nothing is on the serial port; what is expected stands on the screen in that order."""
    run = boot(guest("bios-screen"), expect=["^SeaBIOS", "^No bootable device"])
    assert (run.status, run.console) == (DONE, ""), run.text


def test_grub_starts_from_a_cd():
    """The disc shows its menu through the BIOS."""
    run = boot(description("grub-rescue", "bios-grub"), expect=["GNU GRUB +version"])
    assert run.status == DONE, run.text
