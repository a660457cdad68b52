"""What the whole-system tests share. They start everything by `nr boot`, as a user does."""

import os
import pathlib
import re
import subprocess

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
