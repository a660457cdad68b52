"""What the whole-system tests share. They start everything by `nr boot`, as a user does."""

import os
import pathlib
import re
import subprocess
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = TREE / "build"
NR = BUILD / "nr"
WORK = BUILD / "boot-tests"

DONE, UNEXPECTED, USAGE, TIMEOUT, PANIC, MISSING_TOOL = range(6)

# Ends of runs that went well are far below; a machine with two busy processors must do.
SECONDS = 240


class Run:
    """A finished `nr boot`: its status, the guest's console, and the lines of nr and the monitor."""

    def __init__(self, process):
        self.status = process.returncode
        self.console = process.stdout.decode(errors="replace")
        self.lines = process.stderr.decode(errors="replace")

    @property
    def text(self):
        """All of it, for the message of an assertion: pytest shortens everything but strings."""
        return f"status {self.status}\n--- console\n{self.console}\n--- nr and monitor\n{self.lines}"


def nr(*arguments, keys=b"", seconds=SECONDS + 60):
    process = subprocess.run([NR, *map(str, arguments)], input=keys, capture_output=True, timeout=seconds, check=False)
    return Run(process)


def boot(*arguments, expect=(), seconds=SECONDS, **named):
    words = ["boot", "--timeout", seconds]
    for pattern in expect:
        words += ["--expect", pattern]
    return nr(*words, *arguments, seconds=seconds + 60, **named)


def description(example, name, cpus=None, paravirt=None, paging=None, bootargs=None, **replaced):
    """A variant of an example, written below build/, with its paths still good. replaced: property="value"."""
    text = (TREE / "examples" / f"{example}.dts").read_text()
    text = text.replace('"../build/', '"../')
    if cpus is not None:
        text = re.sub(r"count = <\d+>", f"count = <{cpus}>", text)
    for prop, value in (("paravirt", paravirt), ("paging", paging)):
        if value is not None:
            text = re.sub(r"(model = [^;]*;)", rf'\1\n    {prop} = "{value}";', text)
    if bootargs is not None:
        text = re.sub(r'bootargs = "[^"]*"', f'bootargs = "{bootargs}"', text)
    for prop, value in replaced.items():
        pattern = prop.replace("_", "-") + r" = [^;]*;"
        assert re.search(pattern, text), prop
        text = re.sub(pattern, f'{prop.replace("_", "-")} = {value};', text)
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{name}.dts"
    path.write_text(text)
    return path


class Live:
    """A guest that runs until the block ends: its text screen is read while it runs, and its serial console is typed on."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory(prefix="nr-live-")
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=self.directory.name)
        self.console = pathlib.Path(self.directory.name) / "console"
        self.lines = pathlib.Path(self.directory.name) / "lines"
        with self.console.open("wb") as console, self.lines.open("wb") as lines:
            self.process = subprocess.Popen([NR, "boot", *map(str, arguments)], env=self.environment, stdin=subprocess.PIPE,
                                            stdout=console, stderr=lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()

    def nr(self, *words):
        run = subprocess.run([NR, *words], capture_output=True, stdin=subprocess.DEVNULL, env=self.environment, timeout=60,
                             check=False)
        return run.stdout.decode() if run.returncode == DONE else ""

    def do(self, *words):
        """A command that must go well, such as a key."""
        run = subprocess.run([NR, *words], capture_output=True, stdin=subprocess.DEVNULL, env=self.environment, timeout=60,
                             check=False)
        assert (run.returncode, run.stdout, run.stderr) == (DONE, b"", b""), (words, run)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, guest, pattern, seconds=SECONDS, serial=False):
        """Until the screen, or what the serial console has shown so far, matches; that text."""
        end = time.monotonic() + seconds
        while True:
            text = self.console.read_text(errors="replace") if serial else self.nr("screen", guest)
            if re.search(pattern, text, re.M):
                return text
            assert time.monotonic() < end and self.process.poll() is None, \
                f"not seen: {pattern}\n{text}\n{self.lines.read_text(errors='replace')}"
            time.sleep(0.3)


def marker(nonce):
    """What the guests' init prints for nonce=N."""
    return f"^MARKER {nonce * 7 + 3}$"


def emulators_of(text):
    """Process ids of emulators whose command line has that text."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                if int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        except OSError:
            pass
    return found
