"""Whole systems from images alone, as their makers publish them: all that the monitor knows of them is a BIOS and a drive.

Those that Debian does not package lie in ../shared/guests, or in the folder that NULLRING_GUESTS names; where there is none,
their tests are skipped by name, and the sum of `make test` says so.
"""

import os
import pathlib
import re

import pytest
from nullring import TREE, WORK, Live, description

GUESTS = pathlib.Path(os.environ.get("NULLRING_GUESTS", TREE.parent / "shared/guests"))
TESTS_DONE = 3


def published(name):
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


def memtest(machine, cpus, mib=64):
    """The screen once memtest86+ has done three tests (they count from 0, those that take one processor only)."""
    name = f"memtest-{re.sub('[^a-z0-9]', '-', machine)}-{cpus}"
    path = description("memtest86", name, cpus=cpus, model=f'"{name}"', size_mib=f"<{mib}>")
    with Live("--machine", machine, path) as live:
        screen = live.wait(name, f"Test #[{TESTS_DONE}-9]|Errors: +[1-9]")
    return screen


def shows_health(screen, cpus, mib):
    assert re.search(r"Memtest86\+ v6\.10 ", screen), screen
    assert re.search(r"Errors: +0 *$", screen, re.M), screen
    assert re.search(rf"^Memory *: *{mib}MB ", screen, re.M), screen
    threads = int(re.search(r"CPU: \d+ Cores (\d+) Threads", screen)[1])
    assert threads == cpus and (cpus == 1 or re.search(r"SMP: 2T \(PAR\)", screen)), screen


@pytest.mark.parametrize("cpus", [1, 2])
def test_memtest86_finds_the_memory_good(cpus):
    shows_health(memtest("svm", cpus), cpus, 64)


def test_ipxe_gives_its_prompt():
    with Live(description("ipxe", "images-ipxe")) as live:
        live.wait("ipxe", "Press Ctrl-B", serial=True)
        live.type("\x02")
        live.wait("ipxe", "^iPXE>")
        live.type("show version\n")  # a BIOS keeps 15 keys
        live.wait("ipxe", r"version:string = 1\.")


def test_floppinux_gives_a_shell():
    path = guest("floppinux", f'floppy0 {{ compatible = "nullring,floppy"; image = "{published("floppinux.img")}"; }};',
                 root='boot = "floppy0";')
    with Live(path) as live:
        live.wait("floppinux", "_CHOOSE:")


def xv6():
    drives = "".join(f'disk{i} {{ compatible = "nullring,ide-disk"; image = "{published(name)}"; }}; '
                     for i, name in enumerate(("xv6.img", "xv6-fs.img")))
    return guest("xv6", drives, mib=512, cpus="count = <2>; packages = <2>;")


def test_xv6_starts_both_processors():
    """It finds them in the MP table, in which a BIOS lists the first of each package."""
    with Live(xv6()) as live:
        text = live.wait("xv6", r"^init: starting sh\s*\$ ", serial=True)
    assert sorted(re.findall(r"^cpu(\d): starting", text, re.M)) == ["0", "1"]
