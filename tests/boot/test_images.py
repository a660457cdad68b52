"""Whole systems from images alone, as their makers publish them: all that the monitor knows of them is a BIOS and a drive.

Those that Debian does not package lie in the folder that NULLRING_GUESTS names; where there is none, their tests are skipped by
name, and the sum of `make test` says so.
"""

import os
import pathlib
import re

import pytest
from nullring import BUILD, WORK, Live, description

GUESTS = pathlib.Path(os.environ.get("NULLRING_GUESTS", "/nonexistent"))
TESTS_DONE = 3


def published(name):
    path = GUESTS / name
    if not path.exists():
        pytest.skip(f"{name}: not in the folder that NULLRING_GUESTS names ({os.environ.get('NULLRING_GUESTS', 'not set')})")
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


def floppy(name, image, mib=16):
    return guest(name, f'floppy0 {{ compatible = "nullring,floppy"; image = "{image}"; }};', root='boot = "floppy0";', mib=mib)


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
    with Live(floppy("floppinux", published("floppinux.img"), mib=64)) as live:
        live.wait("floppinux", "_CHOOSE:")


def grub_takes_commands(machine, path, name):
    """Its menu; its prompt, at which it knows what it runs on; and a reset by Ctrl-Alt-Delete, which is the BIOS's affair."""
    with Live("--machine", machine, path) as live:
        live.wait(name, r"^ +\u2502\*GNU/Linux(.*\n)*.*highlighted entry will be executed")
        live.do("key", name, "down", "down")
        live.wait(name, r"^ +\u2502\*FreeBSD")
        live.do("key", name, "c")
        live.wait(name, "^grub> *$")
        live.do("type", "--enter", name, "set x=nullring; echo a_${x}_on_$grub_cpu-$grub_platform")
        live.wait(name, "^a_nullring_on_i386-pc$")
        live.do("key", name, "ctrl-alt-delete")
        live.wait(name, r"^ +\u2502\*GNU/Linux(.*\n)*.*highlighted entry will be executed")


def test_grub_from_a_floppy():
    grub_takes_commands("svm", description("grub-floppy", "images-grub-floppy"), "grub-floppy")


def test_grub_from_a_cd():
    cd = f'cd0 {{ compatible = "nullring,ide-cd"; image = "{BUILD}/examples/grub-rescue/cdrom.iso"; }};'
    grub_takes_commands("svm", guest("grub-cd", cd, root='boot = "cd0";'), "grub-cd")


def freedos_keeps_a_file(machine, size):
    name = f"freedos-{size}"
    text = f"Written at {size} KB: (1+2)*3 = 9? ~{{}}|<>\\"
    with Live("--machine", machine, floppy(name, published(f"{name}.img"))) as live:
        live.wait(name, r"^A:\\>$")
        live.do("type", "--enter", name, "dir")
        screen = live.wait(name, r"bytes free\n+A:\\>$")
        assert re.search(r"^KERNEL +SYS +\d\d,\d\d\d ", screen, re.M), screen
        live.do("type", "--enter", name, "copy con x.txt")
        live.wait(name, "^con => x.txt")
        live.do("type", "--enter", name, text)
        live.do("key", name, "ctrl-z", "enter")
        live.wait(name, r"^\^Z\n+A:\\>$")
        live.do("type", "--enter", name, "cls")
        live.wait(name, r"\A\n*A:\\>\n*\Z")
        live.do("type", "--enter", name, "type x.txt")
        assert live.wait(name, r"x.txt\n(.*\n)*A:\\>$").splitlines().count(text) == 1
        live.do("type", "--enter", name, "dir x.txt")
        live.wait(name, rf"^X +TXT +{len(text) + 2} ")


@pytest.mark.parametrize("size", [160, 720, 1440])
def test_freedos_keeps_a_file(size):
    freedos_keeps_a_file("svm", size)


def mikeos_shows_its_menu(machine):
    with Live("--machine", machine, floppy("mikeos", published("mikeos.flp"))) as live:
        live.wait("mikeos", "Thanks for trying out MikeOS!")
        live.do("key", "mikeos", "enter")
        live.wait("mikeos", "EDIT.BIN")
        live.do("key", "mikeos", "esc")
        live.wait("mikeos", "Thanks for trying out MikeOS!")
        live.do("key", "mikeos", "right", "enter")
        live.do("type", "--enter", "mikeos", "ver")
        live.wait("mikeos", "^MikeOS 4")


def test_mikeos_shows_its_menu():
    mikeos_shows_its_menu("svm")
