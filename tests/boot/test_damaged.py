"""Damaged files. nr refuses them with file, place, cause and cure and status 2; handed straight to the monitor
(--unchecked) they cost their own guest, with a sentence, and nobody else."""

import random
import re

import pytest
from nullring import PANIC, TREE, USAGE, WORK, boot, description, marker

KERNEL = TREE / "build/examples/686/vmlinuz"
INITRD = TREE / "build/examples/686/initrd.gz"


def truncated(data):
    return data[: len(data) // 3]


def no_kernel(_data):
    return b"this is not a kernel\n" * 1000


def noise(_data):
    return random.Random(7).randbytes(100_000)


def header_only(data):
    return data[:0x400]


def old_protocol(data):
    return data[:0x206] + b"\x03\x02" + data[0x208:]


def too_large_setup(data):
    return data[:0x1F1] + b"\xff" + data[0x1F2:]


def wide_of_memory(data):
    """init_size (offset 0x260) of nearly 4 GiB: it cannot fit into the guest."""
    return data[:0x260] + b"\xff\xff\xff\xf0" + data[0x264:]


DAMAGES = [truncated, no_kernel, noise, header_only, old_protocol, too_large_setup, wide_of_memory]


def damaged(damage):
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"kernel-{damage.__name__}"
    path.write_bytes(damage(KERNEL.read_bytes()))
    return description("debian-686", f"damaged-{damage.__name__}", model='"damaged"', kernel=f'"{path.name}"')


@pytest.mark.parametrize("damage", DAMAGES)
def test_nr_refuses_a_damaged_kernel(damage):
    path = damaged(damage)
    run = boot(path)
    assert run.status == USAGE, run.text
    # File, line, place, sentence.
    assert re.search(rf"^nr: {re.escape(str(path))}:\d+: /\S+ \S+: .*; ", run.lines, re.M), run.text


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_monitor_refuses_a_damaged_kernel(damage):
    run = boot("--unchecked", "--machine", "svm", damaged(damage), seconds=120)
    assert run.status not in (PANIC, USAGE), run.text
    assert re.search(r"^nullring: .*kernel-" + damage.__name__ + ".{20,}", run.lines, re.M), run.text
    assert "nullring: panic" not in run.lines, run.text
    assert "all guests have ended" in run.lines, run.text


def test_an_initrd_larger_than_the_guest():
    path = WORK / "initrd-oversized"
    with open(path, "wb") as file:
        file.truncate(80 << 20)
    run = boot(description("debian-686", "oversized", size_mib="<64>", initrd=f'"{path.name}"'))
    assert run.status == USAGE and "initrd" in run.lines, run.text


def test_another_guest_does_not_notice():
    run = boot("--unchecked", "--machine", "svm", "--append", "quiet mode=report nonce=6", damaged(noise),
               description("debian-686", "beside-damaged", model='"good"'))
    assert "nullring: guest good: powered off" in run.lines, run.text
    assert re.search(r"^nullring: guest damaged: .{20,}", run.lines, re.M), run.text
