"""nr type, nr key and nr mouse: what arrives at the guest's keyboard controller, byte by byte; a guest that does not read; and what
is no key."""

import socket
import subprocess
import time

import pytest
from nullring import DONE, NR, TREE, USAGE, WORK, Live

DISK = 1 << 20
GUEST = "input"


def guest(name):
    WORK.mkdir(parents=True, exist_ok=True)
    image, path = WORK / f"{name}.img", WORK / f"{name}.dts"
    subprocess.run(["nasm", "-f", "bin", "-o", image, TREE / "tests/boot/input.asm"], check=True)
    with image.open("r+b") as file:
        file.truncate(DISK)
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "{name}";
    memory {{ size-mib = <16>; }};
    chosen {{ loader = "bios"; }};
    disk0 {{ compatible = "nullring,ide-disk"; image = "{image}"; overlay-mib = <1>; }};
}};
""")
    return path


@pytest.fixture(scope="module")
def live():
    with Live(guest(GUEST)) as running:
        running.wait(GUEST, "^ready$", serial=True)
        yield running


def nr(live, *words):
    run = subprocess.run([NR, *words], capture_output=True, stdin=subprocess.DEVNULL, env=live.environment, timeout=60, check=False)
    return run.returncode, run.stdout.decode(), run.stderr.decode()


class Heard:
    """What the guest says that it has got since this was made."""

    def __init__(self, live):
        self.live = live
        self.before = live.console.stat().st_size

    def expect(self, *wanted):
        wanted = " ".join(wanted).split()
        end = time.monotonic() + 60
        while True:
            got = self.live.console.read_bytes()[self.before:].decode()
            got = got.split() if got[-1:].isspace() else got.split()[:-1]  # the last word may not be whole yet
            if len(got) >= len(wanted) or time.monotonic() > end:
                assert got == wanted
                self.before = self.live.console.stat().st_size
                return
            time.sleep(0.1)


def test_keys_wait_for_a_guest_that_does_not_read(live):
    """More than keyboard and channel hold; the first test of all, since the guest waits only once."""
    heard = Heard(live)
    with subprocess.Popen([NR, "key", "--delay", "0", GUEST, *["a-s-d-f-g-h-j-k"] * 40], env=live.environment) as typing:
        time.sleep(4)
        assert typing.poll() is None
        live.type("!")
        assert typing.wait(60) == DONE
    heard.expect("k1e k1f k20 k21 k22 k23 k24 k25 ka5 ka4 ka3 ka2 ka1 ka0 k9f k9e " * 40)


def test_text(live):
    heard = Heard(live)
    live.do("type", GUEST, "aZ?\n")
    heard.expect("k1e k9e", "k2a k2c kac kaa", "k2a k35 kb5 kaa", "k1c k9c")
    live.do("type", "--enter", "--delay", "0", GUEST, "--", "-1")
    heard.expect("k0c k8c", "k02 k82", "k1c k9c")


def test_keys(live):
    heard = Heard(live)
    live.do("key", GUEST, "esc", "F12", "up", "ctrl-alt-delete", "ctrl-C", "B")
    heard.expect("k01 k81", "k58 kd8", "ke0 k48 ke0 kc8", "k1d k38 ke0 k53 ke0 kd3 kb8 k9d", "k1d k2e kae k9d", "k2a k30 kb0 kaa")
    live.do("key", "--hold", "30", GUEST, "kp+", "pause", "-")
    heard.expect("k4e kce", "ke1 k1d k45 ke1 k9d kc5", "k0c k8c")


def test_mouse(live):
    heard = Heard(live)
    live.do("mouse", GUEST, "move=5,-3", "wheel=-1", "click=left", "down=right", "move=-300,0", "up=right")
    heard.expect("m08 m05 m03 m00", "m08 m00 m00 mff", "m09 m00 m00 m00", "m08 m00 m00 m00", "m0a m00 m00 m00",
                 "m1a m00 m00 m00", "m1a md4 m00 m00", "m08 m00 m00 m00")


@pytest.mark.parametrize("words, sentence", [
    (["type", GUEST, "gr\u00fcn"], '"\u00fc" is not on a US keyboard; nothing has been typed'),
    (["type", GUEST, "a\x07"], "a US keyboard has no key for character 0x07; nothing has been typed"),
    (["key", GUEST, "a", "ctrl-alt-nothing"], 'no key is called "ctrl-alt-nothing"; there are a, F1, enter, esc, up, pgdn, kp5, '
     "and such, joined as in ctrl-alt-delete; nothing has been pressed"),
    (["mouse", GUEST, "move=1,1", "jump"], '"jump" is nothing that a mouse does: move=RIGHT,DOWN, wheel=STEPS, click=BUTTON, '
     "down=BUTTON and up=BUTTON are; nothing has been done"),
    (["type", "nobody", "text"], 'no guest is called "nobody"; nr list shows those there are'),
    (["key", "nobody", "a"], 'no guest is called "nobody"; nr list shows those there are'),
    (["mouse", "nobody", "click=left"], 'no guest is called "nobody"; nr list shows those there are'),
])
def test_what_cannot_be_done_is_not_begun(live, words, sentence):
    heard = Heard(live)
    assert nr(live, *words) == (USAGE, "", f"nr: {sentence}\n")
    live.do("key", GUEST, "x")
    heard.expect("k2d kad")


@pytest.mark.parametrize("words, part", [
    (["type", GUEST], "TEXT wanted"),
    (["type", GUEST, "a", "b"], '"b" is one word too many'),
    (["key", GUEST], "KEY... wanted"),
    (["key", GUEST, *["a"] * 65], '"a" is one word too many'),
    (["key", "--delay", "soon", GUEST, "a"], '"soon" is no number of milliseconds from 0 to 60000'),
    (["key", "--hold", "60001", GUEST, "a"], '"60001" is no number of milliseconds from 0 to 60000'),
    (["mouse"], "no guest given"),
])
def test_wrong_usage(live, words, part):
    status, out, lines = nr(live, *words)
    assert (status, out) == (USAGE, "") and part in lines


def test_the_machines_own_keyboard_and_mouse(tmp_path):
    """They are the focused guest's. Keys that are down when the focus goes come up where they went down."""
    path = tmp_path / "monitor"
    with Live("--emulator", f"-monitor unix:{path},server=on,wait=off", guest("first"), guest("second")) as machine, \
            socket.socket(socket.AF_UNIX) as line:
        for name in ("first", "second"):
            machine.wait(name, rf"^\[{name}\] ready$", serial=True)
        line.connect(str(path))

        def does(name, commands, bytes_there):
            line.sendall("".join(f"{command}\n" for command in commands).encode())
            words = bytes_there.split()
            lines = r"\s+".join(rf"\[{name}\] {word}" for word in words)
            machine.wait(name, rf"{lines}\s", serial=True)

        machine.type("!")
        does("first", ["sendkey a", "sendkey shift-b", "sendkey up", "sendkey pause", "sendkey ctrl-alt-delete"],
             "k1e k9e k2a k30 kb0 kaa ke0 k48 ke0 kc8 ke1 k1d k45 ke1 k9d kc5 k1d k38 ke0 k53 ke0 kd3 kb8 k9d")
        for command, packet in (("mouse_move 5 -3", "m08 m05 m03 m00"), ("mouse_move 0 0 1", "m08 m00 m00 mff"),
                                ("mouse_button 1", "m09 m00 m00 m00"), ("mouse_button 5", "m0d m00 m00 m00"),
                                ("mouse_button 0", "m08 m00 m00 m00")):
            does("first", [command], packet)
        does("first", ["sendkey ctrl-alt-pgdn"], "k1d k38")
        machine.wait("second", r"input goes to second\s+\[first\] k9d\s+\[first\] kb8$", serial=True)
        machine.type("!")
        does("second", ["sendkey c"], "k2e kae")
