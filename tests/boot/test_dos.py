"""GRUB's rescue disks, FreeDOS and MikeOS: systems of 16-bit code that are spoken to at the screen and the keyboard alone, by
nr screen, nr type and nr key. The machine is that of NULLRING_MACHINE: tests/matrix.py runs them on other generations."""

import os
import re
import time

import pytest
from images import guest, published
from nullring import BUILD, Live, description


MACHINE = os.environ.get("NULLRING_MACHINE", "svm")


def floppy(name, image, mib=16):
    return guest(name, f'floppy0 {{ compatible = "nullring,floppy"; image = "{image}"; }};', root='boot = "floppy0";', mib=mib)


def grub_takes_commands(path, name):
    """Its menu; its prompt, at which it knows what it runs on; and a reset by Ctrl-Alt-Delete, which is the BIOS's affair."""
    with Live("--machine", MACHINE, path) as live:
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
    grub_takes_commands(description("grub-floppy", "images-grub-floppy"), "grub-floppy")


def test_grub_from_a_cd():
    cd = f'cd0 {{ compatible = "nullring,ide-cd"; image = "{BUILD}/examples/grub-rescue/cdrom.iso"; }};'
    grub_takes_commands(guest("grub-cd", cd, root='boot = "cd0";'), "grub-cd")


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
    freedos_keeps_a_file(MACHINE, size)


def test_freedos_keeps_a_file_without_unrestricted_guest():
    """All of BIOS and DOS in virtual-8086 mode and the emulator; one of the few systems that Bochs runs in `make test`."""
    freedos_keeps_a_file("vmx:lynnfield", 160)


def test_freedos_sees_another_diskette():
    """Of another size: the new one's layout counts, and what is written goes to the right one. SeaBIOS tells DOS of no change
    line, and DOS believes in what it has read for two seconds more: no hand is faster."""
    first, second = published("freedos-1440.img"), published("freedos-720.img")
    drive = f'floppy0 {{ compatible = "nullring,floppy"; image = "{first}"; others = "{second}"; }};'
    with Live("--machine", MACHINE, guest("change", drive, mib=16)) as live:
        live.wait("change", r"^A:\\>$")
        live.do("type", "--enter", "change", "dir")
        live.wait("change", r"^ +5 file\(s\) .*\n +0 dir\(s\) +1,337,344 bytes free\n+A:\\>$")
        live.do("eject", "change", "floppy0")
        time.sleep(4)
        live.do("insert", "change", "floppy0", second)
        live.do("type", "--enter", "change", "cls")
        live.wait("change", r"\A\n*A:\\>\n*\Z")
        live.do("type", "--enter", "change", "copy readme.txt new.txt")
        live.wait("change", r"new\.txt\n(.*\n)*A:\\>$")
        live.do("type", "--enter", "change", "dir")
        live.wait("change", r"^NEW +TXT +214 (.*\n)+ +6 file\(s\) .*\n +0 dir\(s\) +609,280 bytes free\n+A:\\>$")
        live.do("eject", "change", "floppy0")
        time.sleep(4)
        live.do("insert", "change", "floppy0", first)
        live.do("type", "--enter", "change", "dir")
        live.wait("change", r"^ +5 file\(s\) .*\n +0 dir\(s\) +1,337,344 bytes free\n+A:\\>$")


def test_mikeos_shows_its_menu():
    with Live("--machine", MACHINE, floppy("mikeos", published("mikeos.flp"))) as live:
        live.wait("mikeos", "Thanks for trying out MikeOS!")
        live.do("key", "mikeos", "enter")
        live.wait("mikeos", "EDIT.BIN")
        live.do("key", "mikeos", "esc")
        live.wait("mikeos", "Thanks for trying out MikeOS!")
        live.do("key", "mikeos", "right", "enter")
        live.do("type", "--enter", "mikeos", "ver")
        live.wait("mikeos", "^MikeOS 4")
