"""A guest's screen: the text that `nr screen` shows, and the picture of `nr screenshot`, which is the same, pixel by pixel, as
that of a bare machine with QEMU's standard VGA on which the same disk has drawn the same (screens.asm)."""

import json
import os
import socket
import struct
import subprocess
import time
import zlib

import pytest
from nullring import DONE, NR, TREE, UNEXPECTED, USAGE, WORK

SECONDS = 120
DISK = 1 << 20
PICTURES = {"t": ("text of 80 columns", 720, 400), "l": ("text of 40 columns", 640, 400), "g": ("mode 13h", 640, 400),
            "p": ("mode 12h", 640, 480), "x": ("mode X", 640, 480), "v": ("VBE 1024x768x32", 1024, 768),
            "h": ("VBE 800x600x16", 800, 600), "i": ("VBE 640x480x8", 640, 480),
            "k": ("VBE 1920x1200x32", 1920, 1200)}
SCRIPT = "".join(letter + "w" for letter in PICTURES)


def disk(name, script):
    """A disk that does what the script says."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{name}.img"
    subprocess.run(["nasm", "-f", "bin", f"-DSCRIPT='{script}'", "-o", path, TREE / "tests/boot/screens.asm"], check=True)
    with path.open("r+b") as file:
        file.truncate(DISK)
    return path


def read_png(path):
    """Width, height and pixels of a PNG as nr writes them: lines of RGB without a filter. Each sum is looked at."""
    data, at, parts = path.read_bytes(), 8, {}
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length:at + 12 + length]) == (zlib.crc32(kind + body),)
        parts[kind] = parts.get(kind, b"") + body
        at += 12 + length
    width, height, *kind = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert kind == [8, 2, 0, 0, 0] and parts[b"IEND"] == b""
    lines, size = zlib.decompress(parts[b"IDAT"]), 1 + 3 * width
    assert len(lines) == size * height and not any(lines[y * size] for y in range(height))
    return width, height, b"".join(lines[y * size + 1:(y + 1) * size] for y in range(height))


def read_ppm(path):
    data = path.read_bytes()
    kind, width, height, most = data.split(None, 4)[:4]
    assert (kind, most) == (b"P6", b"255")
    return int(width), int(height), data[-int(width) * int(height) * 3:]


def difference(picture, other):
    """In words: where two pictures differ first, and in how many pixels. None: they are the same."""
    if picture[:2] != other[:2]:
        return f"{picture[0]} by {picture[1]} and {other[0]} by {other[1]} pixels"
    wrong = [i for i in range(0, len(picture[2]), 3) if picture[2][i:i + 3] != other[2][i:i + 3]]
    if not wrong:
        return None
    y, x = divmod(wrong[0] // 3, picture[0])
    return (f"{len(wrong)} pixels; at {x}, {y} {picture[2][wrong[0]:wrong[0] + 3].hex()} "
            f"where there is {other[2][wrong[0]:wrong[0] + 3].hex()}")


def part(picture, x, y, width, height):
    """A rectangle of a picture."""
    line = 3 * picture[0]
    return width, height, b"".join(picture[2][line * row + 3 * x:line * row + 3 * (x + width)] for row in range(y, y + height))


class Steps:
    """A machine with the disk; next() lets it go on to the next picture."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""

    def wait(self):
        end = time.monotonic() + SECONDS
        while b"drawn" not in self.text:
            assert time.monotonic() < end and self.process.poll() is None, self.text
            time.sleep(0.05)
            self.text += self.process.stdout.read() or b""
        self.text = self.text.split(b"drawn", 1)[1]

    def go_on(self):
        self.process.stdin.write(b" ")
        self.process.stdin.flush()

    def end(self):
        self.process.terminate()
        self.process.wait()


class Bare(Steps):
    """QEMU with its standard VGA, and what else the words say."""

    def __init__(self, directory, *words):
        self.qmp = directory / "qmp"
        self.shot = directory / "bare.ppm"
        super().__init__(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "pc", "-vga", "std",
                          "-serial", "stdio", "-qmp", f"unix:{self.qmp},server=on,wait=off", *words])

    def picture(self):
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(SECONDS)
            end.connect(str(self.qmp))
            lines = end.makefile("rw")
            lines.readline()
            for command in ({"execute": "qmp_capabilities"}, {"execute": "screendump", "arguments": {"filename": str(self.shot)}}):
                lines.write(json.dumps(command) + "\n")
                lines.flush()
                answer = lines.readline()
                while "event" in json.loads(answer):
                    answer = lines.readline()
                assert "return" in json.loads(answer), answer
        return read_ppm(self.shot)


def describe(directory, drive, mib=16):
    path = directory / "screens.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "screens";
    memory {{ size-mib = <{mib}>; }};
    chosen {{ loader = "bios"; }};
    {drive}
}};
""")
    return path


def ide_disk(image):
    return f'disk0 {{ compatible = "nullring,ide-disk"; image = "{image}"; overlay-mib = <1>; }};'


class Guest(Steps):
    """The drive in a guest, beside one without a screen."""

    def __init__(self, directory, drive):
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(directory))
        super().__init__([NR, "boot", "--machine", "svm", describe(directory, drive), TREE / "examples" / "debian-686.dts"],
                         self.environment)

    def nr(self, *arguments):
        run = subprocess.run([NR, *map(str, arguments)], capture_output=True, timeout=SECONDS, check=False, env=self.environment)
        return run.returncode, run.stdout.decode(), run.stderr.decode()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Both machines, at the same picture from the first to the last: the tests are in order."""
    image = disk("screens", SCRIPT)
    guest = Guest(tmp_path_factory.mktemp("screen-guest"), ide_disk(image))
    bare = Bare(tmp_path_factory.mktemp("screen-bare"), "-m", "16", "-drive", f"if=ide,format=raw,snapshot=on,file={image}")
    yield guest, bare
    guest.end()
    bare.end()


def letter_at(i):
    """Character i of the text screen: screens.asm, `text`; 0 where it is no letter of ASCII."""
    code = i & 0xFF
    return chr(code) if 0x20 <= code < 0x7F else None


@pytest.mark.parametrize("letter", PICTURES)
def test_the_picture_is_that_of_a_bare_machine(pair, tmp_path, letter):
    guest, bare = pair
    path = tmp_path / "guest.png"
    if letter != next(iter(PICTURES)):
        guest.go_on()
        bare.go_on()
    guest.wait()
    bare.wait()
    _, width, height = PICTURES[letter]
    assert guest.nr("screenshot", "screens", "-o", path) == (DONE, "", "")
    picture = read_png(path)
    assert picture[:2] == (width, height)
    assert len({picture[2][i:i + 3] for i in range(0, len(picture[2]), 3)}) > 12
    # A cursor blinks, and is shown as when it can be seen.
    for _ in range(20 if letter in "tl" else 1):
        wrong = difference(picture, bare.picture())
        if not wrong:
            break
        time.sleep(0.1)
    assert not wrong, wrong
    status, out, lines = guest.nr("screen", "screens")
    if letter in "tl":
        columns = 80 if letter == "t" else 40
        assert (status, lines) == (DONE, "") and len(out.splitlines()) == 25
        for row, line in enumerate(out.splitlines()):
            shown = line.ljust(columns)
            assert all(letter_at(row * columns + i) in (None, shown[i]) for i in range(columns)), line
    else:
        assert (status, out) == (UNEXPECTED, "")
        assert lines == "nr: the guest's screen shows no text but graphics; nr screenshot makes a picture of it\n"


def test_wrong_uses(pair, tmp_path):
    guest, _ = pair
    path = tmp_path / "no.png"
    for words in (["screen"], ["screenshot", "-o", path]):
        assert guest.nr(*words, "nobody") == (USAGE, "", 'nr: no guest is called "nobody"; nr list shows those there are\n')
        status, _, lines = guest.nr(*words)
        assert status == USAGE and "no guest given" in lines
        status, _, lines = guest.nr(*words, "debian-686")
        assert (status, lines) == (UNEXPECTED, "nr: the guest has no screen\n")
    assert not path.exists()
    status, _, lines = guest.nr("screenshot", "screens")
    assert status == USAGE and "-o FILE is missing" in lines
    status, _, lines = guest.nr("screenshot", "screens", "-o", tmp_path / "nowhere" / "a.png")
    assert status == UNEXPECTED and "nowhere/a.png: cannot be written: No such file" in lines
    status, _, lines = guest.nr("screenshot", "screens", "-o", "/dev/full")
    assert status == UNEXPECTED and "/dev/full: cannot be written: No space left" in lines
    assert guest.nr("screenshot", "screens", "-o", path) == (DONE, "", "")
    assert guest.nr("destroy", "screens")[0] == DONE
    status, _, lines = guest.nr("screen", "screens")
    assert (status, lines) == (UNEXPECTED, "nr: guest screens has ended: killed\n")
    assert guest.nr("list")[0] == DONE


@pytest.mark.parametrize("display, letter, cursor", [("text", "t", (297, 160, 9, 16)), ("1024x768x32", "g", None)])
def test_the_display_of_the_machine_shows_the_guest(tmp_path, display, letter, cursor):
    """On a VGA's text, and in the middle of a frame buffer; a cursor is a block there."""
    image = tmp_path / "image.iso"
    description = describe(tmp_path, ide_disk(disk(f"display-{letter}", letter + "w")))
    run = subprocess.run([NR, "image", "-o", image, "--display", display, description], capture_output=True, check=False)
    assert run.returncode == DONE, run.stderr
    line, path = tmp_path / "com2", tmp_path / "guest.png"
    machine = Bare(tmp_path, "-cpu", "EPYC", "-m", "256", "-drive", f"if=virtio,readonly=on,format=raw,file={image}",
                   "-serial", f"unix:{line},server=on,wait=off")
    machine.wait()
    run = subprocess.run([NR, "screenshot", "--monitor", line, "screens", "-o", path], capture_output=True, check=False)
    assert run.returncode == DONE, run.stderr
    picture = read_png(path)
    end = time.monotonic() + SECONDS
    while True:
        there = machine.picture()
        if display != "text" and there[0] == 1024:
            x, y = (1024 - picture[0]) // 2, (768 - picture[1]) // 2
            assert not any(part(there, 0, 0, 1024, y)[2])
            there = part(there, x, y, *picture[:2])
        wrong = difference(there, picture)
        if wrong and cursor and there[:2] == picture[:2]:
            y, height = cursor[1], cursor[3]
            below = y + height
            wrong = (difference(part(there, 0, 0, 720, y), part(picture, 0, 0, 720, y)) or
                     difference(part(there, 0, below, 720, 400 - below), part(picture, 0, below, 720, 400 - below)) or
                     difference(part(there, 0, y, cursor[0], height), part(picture, 0, y, cursor[0], height)))
        if not wrong or time.monotonic() > end:
            break
        time.sleep(1)
    machine.end()
    assert not wrong, wrong
