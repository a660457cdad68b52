"""Whole systems from images alone, as their makers publish them: all that the monitor knows of them is a BIOS and a drive. What
test_images.py and tests/matrix.py share: descriptions, and runs that end where the system has shown that it works.

Those that Debian does not package lie in ../shared/guests, or in the folder that NULLRING_GUESTS names.
"""

import os
import pathlib
import re

import pytest
from nullring import TREE, WORK, Live, description

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
    image = published("floppinux.img")
    path = guest("floppinux", f'floppy0 {{ compatible = "nullring,floppy"; image = "{image}"; }};', root='boot = "floppy0";')
    with Live("--machine", machine, path) as live:
        live.wait("floppinux", "_CHOOSE:")


def ipxe(machine="svm"):
    """To its prompt, and an answer there. A BIOS keeps no more than 15 keys that nobody has read."""
    with Live("--machine", machine, description("ipxe", "images-ipxe")) as live:
        live.wait("ipxe", "Press Ctrl-B", serial=True)
        live.type("\x02")
        live.wait("ipxe", "^iPXE>")
        live.type("show version\n")
        live.wait("ipxe", r"version:string = 1\.")
