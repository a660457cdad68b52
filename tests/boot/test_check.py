"""nr check on broken descriptions: each is refused with status 2 and a sentence that names place, cause and cure.

The descriptions in broken/ say in their head comment what is expected: "expect: LINE: TEXT". Compiled ones are
made here. The kernels that they name are made here too.
"""
import gzip
import pathlib
import re
import shutil
import struct
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
NR = HERE.parent.parent / "build" / "nr"
BROKEN = sorted((HERE / "broken").glob("*.dts"))
MIB = 1 << 20

GOOD = """/dts-v1/;
/ {
    compatible = "nullring,guest";
    model = "guest";
    memory { size-mib = <64>; };
    cpus { count = <2>; };
    chosen { loader = "linux"; kernel = "vmlinuz"; initrd = "initrd"; bootargs = "quiet"; };
    disk0 { compatible = "virtio,block"; image = "disk"; };
};
"""


def make_kernel(size=MIB):
    """A bzImage's setup header (boot protocol 2.15) and nothing that could run; it wants 20 MiB at 16 MiB."""
    image = bytearray(5 * 512 + size)
    image[0x1F1] = 4
    struct.pack_into("<I", image, 0x1F4, size // 16)
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x200:0x202] = b"\xeb\x6a"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20F)
    image[0x211] = 1
    struct.pack_into("<I", image, 0x22C, 0x37FFFFFF)
    image[0x234] = 1
    struct.pack_into("<I", image, 0x238, 2047)
    struct.pack_into("<QI", image, 0x258, 16 * MIB, 20 * MIB)
    return bytes(image)


CPIO_FILES = (("init", bytes(range(256)) * 4), ("etc", b""), ("TRAILER!!!", b""))


def make_cpio_entry(name, data):
    """One file of an archive in the "newc" format."""
    fields = [0] * 13
    fields[6], fields[11] = len(data), len(name) + 1
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def make_elf():
    """A kernel of one segment, without notes."""
    code = b"\xf4" * 32
    return struct.pack("<4sBBB9xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 2, 3, 1, 0x100000, 52, 0, 0, 52, 32, 1, 0, 0, 0) + \
        struct.pack("<8I", 1, 84, 0x100000, 0x100000, len(code), len(code), 7, 4) + code


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the descriptions name."""
    kernel = make_kernel()
    (tmp_path / "vmlinuz").write_bytes(kernel)
    (tmp_path / "truncated").write_bytes(kernel[:-100])
    (tmp_path / "empty").write_bytes(b"")
    initrd = gzip.compress(b"".join(make_cpio_entry(name, data) for name, data in CPIO_FILES))
    (tmp_path / "initrd").write_bytes(initrd)
    (tmp_path / "initrd-truncated").write_bytes(initrd[:-20])
    archive = gzip.decompress(initrd)
    (tmp_path / "initrd-plain").write_bytes(archive + bytes(300))
    (tmp_path / "initrd-cut").write_bytes(archive[:700])
    (tmp_path / "big").write_bytes(bytes(3 * MIB))
    (tmp_path / "disk").write_bytes(bytes(4096))
    (tmp_path / "odd").write_bytes(bytes(1000))
    header = struct.pack("<IIIIIIII", 0x1BADB002, 0x10000, -(0x1BADB002 + 0x10000) & 0xFFFFFFFF, 0x100000, 0x100000,
                         0, 0, 0x100020)
    (tmp_path / "multiboot").write_bytes(header + b"\xf4" * 32)
    elf = make_elf()
    (tmp_path / "elf").write_bytes(elf)
    (tmp_path / "elf-cut").write_bytes(elf[:-1])
    return tmp_path


def check(*paths):
    run = subprocess.run([NR, "check", *paths], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    assert run.stdout == ""
    return run.returncode, run.stderr


def compile_good(folder):
    (folder / "good.dts").write_text(GOOD, encoding="utf-8")
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", folder / "good.dtb", folder / "good.dts"], check=True, timeout=60)
    return bytearray((folder / "good.dtb").read_bytes())


def test_good_descriptions_pass(folder):
    compile_good(folder)
    assert check(folder / "good.dts")[0] == 0
    assert check(folder / "good.dtb")[0] == 0


@pytest.mark.parametrize("source", BROKEN, ids=lambda path: path.stem)
def test_broken_source(source, folder):
    expected = re.search(r"expect: (\d+): (.*?)(?: \*/)?$", source.read_text(encoding="utf-8"), re.MULTILINE)
    assert expected, f"{source} does not say what is expected"
    copy = folder / source.name
    shutil.copy(source, copy)
    status, said = check(copy)
    assert status == 2
    assert f"nr: {copy}:{expected[1]}: {expected[2]}" in said
    assert ";" in said or "allowed" in said, "a cure is missing"


def test_there_are_enough_broken_descriptions():
    assert len(BROKEN) >= 25


@pytest.mark.parametrize("source", BROKEN, ids=lambda path: path.stem)
def test_broken_source_is_not_booted(source, folder):
    """nr image and nr boot refuse what nr check refuses."""
    copy = folder / source.name
    shutil.copy(source, copy)
    for words in (["image", "-o", folder / "out.iso"], ["boot", "--timeout", "5"]):
        run = subprocess.run([NR, *words, copy], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                             check=False)
        assert run.returncode == 2, run.stderr
        assert f"nr: {copy}:" in run.stderr and run.stdout == ""
    assert not (folder / "out.iso").exists()


def lie_about_size(blob):
    struct.pack_into(">I", blob, 4, len(blob) * 2)
    return blob


def shrink_size(blob):
    struct.pack_into(">I", blob, 4, 48)
    return blob


def move_strings(blob):
    struct.pack_into(">I", blob, 12, 0xFFFFFFF0)
    return blob


def break_structure(blob):
    start = struct.unpack_from(">I", blob, 8)[0]
    struct.pack_into(">I", blob, start, 7)
    return blob


def old_version(blob):
    struct.pack_into(">II", blob, 20, 3, 3)
    return blob


BLOBS = {
    "empty": (lambda blob: b"", "truncated: 0 bytes"),
    "short": (lambda blob: blob[:39], "truncated: 39 bytes"),
    "half": (lambda blob: blob[: len(blob) // 2], "its header says"),
    "junk": (lambda blob: bytes(i * 7 & 255 for i in range(4096)), "not a device tree blob"),
    "text": (lambda blob: GOOD.encode(), "not a device tree blob: it starts with 0x2f647473"),
    "huge": (lambda blob: blob + bytes(100000), "a guest description has at most"),
    "lying size": (lie_about_size, "its header says"),
    "small size": (shrink_size, "damaged device tree"),
    "strings elsewhere": (move_strings, "damaged device tree"),
    "broken structure": (break_structure, "damaged device tree"),
    "old version": (old_version, "damaged device tree"),
    "kernel removed": (lambda blob: blob.replace(b"vmlinuz\0", b"nowhere\0"), '/chosen kernel: "nowhere" cannot be read'),
    "zero memory": (lambda blob: blob.replace(struct.pack(">I", 64), struct.pack(">I", 0), 1), "/memory size-mib: 0"),
}


@pytest.mark.parametrize("name", BLOBS)
def test_broken_blob(name, folder):
    change, expected = BLOBS[name]
    path = folder / "broken.dtb"
    path.write_bytes(change(compile_good(folder)))
    status, said = check(path)
    assert status == 2
    assert said.startswith(f"nr: {path}: ") and expected in said


def test_unreadable_file(folder):
    status, said = check(folder / "missing.dts")
    assert status == 2 and "cannot be read: No such file or directory" in said
    status, said = check(folder)
    assert status == 2 and "cannot be read: it is not a file" in said


def test_a_kernel_as_large_as_a_disk(folder):
    with open(folder / "vmlinuz", "ab") as file:
        file.truncate((1 << 30) + 1)
    (folder / "large.dts").write_text(GOOD, encoding="utf-8")
    status, said = check(folder / "large.dts")
    assert status == 2 and "/chosen kernel:" in said and "is more than the 1024 MiB a kernel may have; check" in said


def test_an_initrd_without_compression(folder):
    (folder / "plain.dts").write_text(GOOD.replace('"initrd"', '"initrd-plain"'), encoding="utf-8")
    assert check(folder / "plain.dts")[0] == 0


def test_two_guests_of_one_name(folder):
    for name in ("one.dts", "two.dts"):
        (folder / name).write_text(GOOD, encoding="utf-8")
    status, said = check(folder / "one.dts", folder / "two.dts")
    assert status == 2 and 'two.dts: / model: "guest" is also the name in' in said


def test_all_mistakes_are_said(folder):
    (folder / "bad.dts").write_text(GOOD.replace("<64>", "<0>").replace("<2>", "<99>"), encoding="utf-8")
    status, said = check(folder / "bad.dts")
    assert status == 2 and "size-mib: 0 found" in said and "count: 99 found" in said


def test_all_properties_are_listed():
    run = subprocess.run([NR, "check", "--properties"], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0
    for words in ("/memory: its RAM; required", "size-mib     a number, 1 to 65536; required", "/disk0 ... /disk3",
                  '"kvm" (default), "none", "hyperv" (not in this version)', "overlay-mib  a number, 0 to 2048 (default 64)"):
        assert words in run.stdout, run.stdout


def test_no_description():
    status, said = check()
    assert status == 2 and "no guest description given" in said
