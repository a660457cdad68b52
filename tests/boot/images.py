"""Whole systems from images alone, as their makers publish them: all that the monitor knows of them is a BIOS and a drive. What
test_images.py and tests/matrix.py share: descriptions, and runs that end where the system has shown that it works.

Those that Debian does not package lie in ../shared/guests, or in the folder that NULLRING_GUESTS names.
"""

import os
import pathlib
import re
import time

import pytest
from nullring import TREE, WORK, Live, description
from test_screen import Bare, difference, read_png

GUESTS = pathlib.Path(os.environ.get("NULLRING_GUESTS", TREE.parent / "shared/guests"))


def published(name):
    """The test is skipped where there is none."""
    path = GUESTS / name
    if not path.exists():
        pytest.skip(f"{name} is not in {GUESTS} (NULLRING_GUESTS may name another folder)")
    return path


def guest(name, nodes, root="", mib=64, cpus="count = <1>;", chosen=""):
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{name}.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "{name}";
    {root}
    memory {{ size-mib = <{mib}>; }};
    cpus {{ {cpus} }};
    chosen {{ loader = "bios"; {chosen} }};
    {nodes}
}};
""")
    return path


def memtest(machine, cpus=1, mib=64, whole=False, seconds=240):
    """memtest86+ until it has done three tests (it counts them from 0), or all; its screen must show the memory and no error."""
    path = description("memtest86", f"memtest-{re.sub('[^a-z0-9]', '-', machine)}-{cpus}", cpus=cpus, size_mib=f"<{mib}>")
    with Live("--machine", machine, path) as live:
        screen = live.wait("memtest86", ("" if whole else "Test #([3-9]|10) |") + "Pass: +[1-9]|Errors: +[1-9]", seconds)
    assert re.search(r"Memtest86\+ v6\.10 ", screen), screen
    assert re.search(r"Errors: +0 *$", screen, re.M), screen
    assert re.search(rf"^Memory *: *{mib}MB ", screen, re.M), screen
    assert "Nullring 440FX" in screen, screen  # what SMBIOS says of the board
    threads = int(re.search(r"CPU: \d+ Cores (\d+) Threads", screen)[1])
    assert threads == cpus and (cpus == 1 or re.search(rf"SMP: {cpus}T \(PAR\)", screen)), screen


def xv6(machine="svm"):
    """To its shell, with two processors; what is found there. It knows processors from the MP table alone, in which a BIOS lists the
    first of each package."""
    drives = "".join(f'disk{i} {{ compatible = "nullring,ide-disk"; image = "{published(name)}"; }}; '
                     for i, name in enumerate(("xv6.img", "xv6-fs.img")))
    live = Live("--machine", machine, guest("xv6", drives, mib=512, cpus="count = <2>; packages = <2>;"))
    text = live.wait("xv6", r"^init: starting sh\s*\$ ", serial=True)
    assert sorted(re.findall(r"^cpu(\d): starting", text, re.M)) == ["0", "1"], text
    return live


def usertests(machine="svm", seconds=600):
    """xv6's own tests. It leaves OUT2 of the serial port off, so that no interrupt comes from there: its input is the keyboard."""
    with xv6(machine) as live:
        live.nr("type", "xv6", "usertests\n")
        live.wait("xv6", "^ALL TESTS PASSED", seconds, serial=True)


def floppinux(machine="svm"):
    """To its shell, in which a command finds another one."""
    image = published("floppinux.img")
    path = guest("floppinux", f'floppy0 {{ compatible = "nullring,floppy"; image = "{image}"; }};', root='boot = "floppy0";')
    with Live("--machine", machine, path) as live:
        live.wait("floppinux", "_CHOOSE:")
        live.do("type", "--enter", "floppinux", "c")
        live.wait("floppinux", "built-in shell.*(.*\n)*#")
        live.do("type", "--enter", "floppinux", "echo from the shell of $(uname -s)")
        live.wait("floppinux", "^from the shell of Linux$")


# What KolibriOS draws anew all the time, the clock and a bar of the processor's load, and how large its pointer is at most.
KOLIBRI_CLOCK = (748, 576, 52, 24)
KOLIBRI_POINTER = 32


def without(picture, x, y, width, height):
    """A picture with a black rectangle in it."""
    line, pixels = 3 * picture[0], bytearray(picture[2])
    for row in range(y, min(y + height, picture[1])):
        pixels[line * row + 3 * x:line * row + 3 * (x + width)] = bytes(3 * width)
    return *picture[:2], bytes(pixels)


class Kolibri(Live):
    """KolibriOS on its floppy."""

    def __init__(self, machine, image):
        super().__init__("--machine", machine, guest("kolibri", f'floppy0 {{ compatible = "nullring,floppy"; image = "{image}"; }};',
                                                     root='boot = "floppy0";'))
        self.shot = pathlib.Path(self.directory.name) / "kolibri.png"

    def picture(self):
        self.shot.unlink(missing_ok=True)
        self.nr("screenshot", "kolibri", "-o", str(self.shot))
        return without(read_png(self.shot), *KOLIBRI_CLOCK) if self.shot.exists() else None

    def wait_picture(self, found, seconds=600):
        """Until found() says None, and not in words what is missing, of the screen."""
        end = time.monotonic() + seconds
        while True:
            picture = self.picture()
            missing = found(picture) if picture else "no picture"
            if not missing:
                return picture
            assert time.monotonic() < end and self.process.poll() is None, missing
            time.sleep(1)


def kolibri_natively(directory, image, seconds=300, quiet=8):
    """The desktop of a bare machine: what has stood there for some seconds, with all of its icons."""
    bare = Bare(directory, "-m", "64", "-boot", "a", "-drive", f"if=floppy,format=raw,snapshot=on,file={image}")
    end, picture, since = time.monotonic() + seconds, None, time.monotonic()
    while time.monotonic() - since < quiet or len({picture[2][i:i + 3] for i in range(0, len(picture[2]), 3)}) < 1000:
        assert time.monotonic() < end, "no desktop on the bare machine"
        time.sleep(1)
        now = without(bare.picture(), *KOLIBRI_CLOCK)
        if now != picture:
            picture, since = now, time.monotonic()
    bare.end()
    return picture


def kolibri(machine="svm"):
    """Its desktop is that of a bare machine, pixel by pixel but for the clock, and its pointer goes where the mouse does."""
    image = published("kolibri.img")
    with Kolibri(machine, image) as live:
        wanted = kolibri_natively(pathlib.Path(live.directory.name), image)
        live.wait_picture(lambda picture: difference(picture, wanted))
        live.do("mouse", "kolibri", "move=100,50")
        x, y = wanted[0] // 2, wanted[1] // 2  # where the pointer was
        moved = live.wait_picture(lambda picture: None if difference(picture, wanted) else "the pointer stands still")
    changed = [divmod(i // 3, wanted[0]) for i in range(0, len(wanted[2]), 3) if moved[2][i:i + 3] != wanted[2][i:i + 3]]
    gone = [pixel for pixel in changed if y <= pixel[0] < y + KOLIBRI_POINTER and x <= pixel[1] < x + KOLIBRI_POINTER]
    come = [pixel for pixel in changed if pixel not in gone]
    assert gone and come, changed
    for axis, start in enumerate((y, x)):
        low, high = min(pixel[axis] for pixel in come), max(pixel[axis] for pixel in come)
        assert low > start and high - low < KOLIBRI_POINTER, (axis, low, high)


def ipxe(machine="svm"):
    """To its prompt, and an answer there. A BIOS keeps no more than 15 keys that nobody has read."""
    with Live("--machine", machine, description("ipxe", "images-ipxe")) as live:
        live.wait("ipxe", "Press Ctrl-B", serial=True)
        live.type("\x02")
        live.wait("ipxe", "^iPXE>")
        live.type("show version\n")
        live.wait("ipxe", r"version:string = 1\.")
