"""Damaged modules handed straight to the monitor, as GRUB would hand them: their guest ends or never starts, with one
sentence that says why, and the guest beside it finishes its work.

nr image refuses such files, so a good image is made first and damaged afterwards, byte for byte in place.
"""

import pathlib
import struct
import subprocess

import pytest
from nullring import DONE, NR
from test_check import make_kernel

GOOD_TEXT = b"the good guest is done\r\n"
GOOD_VALUE = 42

DESCRIPTION = """/dts-v1/;
/ {
    compatible = "nullring,guest";
    model = "%s";
    memory { size-mib = <%d>; };
    chosen { loader = "%s"; kernel = "%s";%s };
};
"""


def make_good_kernel():
    """A Multiboot kernel with load addresses: says its text on the serial port and writes to the debug-exit port."""
    base = 0x100000
    code = 32
    loop = bytes.fromhex("66baf803" "ac" "84c0" "7403" "ee" "ebf8")
    end = bytes([0xB0, GOOD_VALUE]) + bytes.fromhex("66baf400" "ee" "f4" "ebfd")
    text = base + code + 5 + len(loop) + len(end)
    program = b"\xbe" + struct.pack("<I", text) + loop + end + GOOD_TEXT + b"\0"
    flags = 1 << 16
    header = struct.pack("<IIIIIIII", 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF, base, base, 0, 0, base + code)
    return header + program


def make_ending_kernel():
    """A bzImage that ends its guest at once, through the debug-exit port."""
    kernel = bytearray(make_kernel())
    code = bytes.fromhex("b000" "66baf400" "ee" "f4" "ebfd")
    kernel[5 * 512 : 5 * 512 + len(code)] = code
    kernel[-16:] = b"END OF THIS IMAG"
    return bytes(kernel)


def describe(folder, name, loader, kernel, more="", memory=48):
    path = folder / f"{name}.dts"
    path.write_text(DESCRIPTION % (name, memory, loader, kernel, more), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A good image of two guests, as bytes."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "good.bin").write_bytes(make_good_kernel())
    # Each file has bytes that stand nowhere else in the image.
    (folder / "vmlinuz").write_bytes(make_ending_kernel())
    (folder / "initrd").write_bytes(b"ramdisk" * 1000)
    iso = folder / "good.iso"
    run = subprocess.run([NR, "image", "--options", "console=com1 log=com2", "-o", iso,
                          describe(folder, "finish", "multiboot", "good.bin", memory=4),
                          describe(folder, "broken", "linux", "vmlinuz", ' initrd = "initrd";')],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == DONE, run.stderr
    return iso.read_bytes()


def boot_image(folder, contents):
    """Runs the emulator on an image; returns the guests' console and the monitor's log."""
    iso, console, log = folder / "image.iso", folder / "console", folder / "log"
    iso.write_bytes(contents)
    subprocess.run(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
                    "-machine", "pc", "-cpu", "EPYC", "-m", "256", "-no-reboot", "-serial", f"file:{console}",
                    "-serial", f"file:{log}", "-drive", f"if=virtio,format=raw,readonly=on,file={iso}"],
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240, check=False)
    return (pathlib.Path(console).read_bytes(), log.read_text(encoding="utf-8", errors="replace"))


def replace_once(contents, old, new):
    assert len(old) == len(new) and contents.count(old) == 1, (old, contents.count(old))
    return contents.replace(old, new)


def find_kernel(contents):
    """Where the file vmlinuz starts in the image: "HdrS" stands at 0x202, as in no other file but GRUB's own."""
    size = len(make_kernel())
    end = contents.index(b"END OF THIS IMAG") + 16
    assert contents[end - size + 0x202 : end - size + 0x206] == b"HdrS"
    return end - size


def change_kernel(offset, new):
    def change(contents):
        at = find_kernel(contents) + offset
        return contents[:at] + new + contents[at + len(new) :]
    return change


def find_description(contents):
    """Start and end of the compiled description of the guest called broken."""
    start = contents.index(b"\xd0\x0d\xfe\xed")
    while True:
        end = start + struct.unpack_from(">I", contents, start + 4)[0]
        if b"broken\0" in contents[start : min(end, start + 4096)]:
            return start, end
        start = contents.index(b"\xd0\x0d\xfe\xed", start + 4)


def change_description(old, new):
    def change(contents):
        start, end = find_description(contents)
        assert contents.count(old, start, end) == 1
        return contents[:start] + contents[start:end].replace(old, new) + contents[end:]
    return change


def lie_about_size(contents):
    start, _ = find_description(contents)
    return contents[: start + 4] + b"\0\1\0\0" + contents[start + 8 :]


DAMAGES = {
    "no Linux kernel": (change_kernel(0x202, b"HdrX"), 'guest broken: killed: kernel "vmlinuz": no "HdrS" at byte 0x202'),
    "truncated kernel": (change_kernel(0x1F4, b"\xff\xff\xff\0"),
                         'guest broken: killed: kernel "vmlinuz": truncated: its header announces'),
    "oversized kernel": (change_kernel(0x260, b"\0\0\0\x7f"), 'guest broken: killed: kernel "vmlinuz": needs memory up to'),
    "initrd too high": (change_kernel(0x22C, b"\0\0\0\1"), 'guest broken: killed: initrd "initrd": 1 MiB do not fit'),
    "kernel not there": (lambda image: replace_once(image, b"'broken:vmlinuz'", b"'broken:vmlinux'"),
                         'guest broken: not started: broken.dtb: /chosen kernel: no boot module "broken:vmlinuz"'),
    "no description": (change_description(b"\xd0\x0d\xfe\xed", b"\0\0\0\0"),
                       "guest broken.dtb: not started: broken.dtb: not a device tree blob"),
    "description with a wrong size": (lie_about_size, "guest broken.dtb: not started: broken.dtb: its header says 65536"),
    "description with a wrong value": (change_description(struct.pack(">I", 48), bytes(4)),
                                       "guest broken.dtb: not started: broken.dtb: /memory size-mib: 0 found"),
    "the same name twice": (change_description(b"broken\0", b"finish\0"),
                            "guest finish: not started: broken.dtb: / model: another guest has this name"),
}


def test_undamaged(image, tmp_path):
    """The comparison: both run and end."""
    console, log = boot_image(tmp_path, image)
    assert b"[finish] " + GOOD_TEXT in console, log
    assert "nullring: guest broken: exit value 0\n" in log and "status 0" in log, log


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged(name, image, tmp_path):
    change, sentence = DAMAGES[name]
    console, log = boot_image(tmp_path, change(image))
    assert f"nullring: {sentence}" in log, log
    assert GOOD_TEXT in console, log
    assert f"nullring: guest finish: exit value {GOOD_VALUE}\n" in log, log
    assert "nullring: guest finish: powered off\n" in log, log
    assert "nullring: all guests have ended, status 1" in log, log
    assert "panic" not in log, log
