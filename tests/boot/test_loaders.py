"""A kernel started by its PVH entry: Debian's amd64 kernel as the ELF file that its bzImage holds; and what nr says of one
that it cannot start."""

import lzma
import struct

import pytest
from nullring import BUILD, DONE, SECONDS, USAGE, WORK, boot, description, marker


def unpack_kernel(path):
    """The ELF file in a bzImage that is packed with xz (Documentation/arch/x86/boot.rst: payload_offset, payload_length)."""
    image = path.read_bytes()
    start = ((image[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    length = struct.unpack_from("<I", image, 0x24C)[0]
    return lzma.LZMADecompressor().decompress(image[start : start + length])


@pytest.fixture(scope="module")
def vmlinux():
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / "vmlinux"
    path.write_bytes(unpack_kernel(BUILD / "examples/amd64/vmlinuz"))
    yield path
    path.unlink()


def describe(kernel, name):
    return description("debian-amd64", name, loader='"elf"', kernel=f'"{kernel.name}"')


def test_pvh(vmlinux):
    run = boot("--machine", "svm", "--append", "quiet mode=report nonce=5", describe(vmlinux, "pvh"), seconds=SECONDS)
    assert run.status == DONE, run.text
    assert marker(5).strip("^$") in run.console and "processors: 1" in run.console, run.text


def test_kernels_that_are_refused(vmlinux):
    cut = vmlinux.with_name("vmlinux-cut")
    cut.write_bytes(vmlinux.read_bytes()[: 1 << 20])
    run = boot("--machine", "svm", describe(cut, "pvh-cut"))
    assert run.status == USAGE, run.text
    assert "pvh-cut.dts:" in run.lines and "truncated: segment" in run.lines and "copy the kernel again" in run.lines, run.text
    packed = cut.with_name("vmlinuz-packed")
    packed.write_bytes((BUILD / "examples/amd64/vmlinuz").read_bytes())
    run = boot("--machine", "svm", describe(packed, "pvh-packed"))
    assert run.status == USAGE and 'loader = "linux"' in run.lines, run.text
    run = boot("--machine", "native", describe(vmlinux, "pvh-native"))
    assert run.status == USAGE and "no PVH entry; use another --machine" in " ".join(run.lines.split()), run.text
    cut.unlink()
    packed.unlink()
