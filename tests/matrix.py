#!/usr/bin/python3
"""`make test-matrix`: every test kernel, and boots of Debian's kernels, on every generation of both vendors' processors.

    tests/matrix.py [--jobs N] [--keep DIR] [--machine M[,M...]] [NAME...]

Prints each result as it comes, then the whole as a table (rows: kernels and boots, columns: machines) and the sum, "N passed,
N failed". A dash: not run there; the head comment of tests/guests/run.py and the tables below say why. Names are those of
test kernels, of boots ("boot-..."), of drives that start by themselves ("drive-...") or of DOS and its like ("dos-...").
Status 0: all passed.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "guests"))
sys.path.insert(0, str(ROOT / "tests" / "boot"))
import images  # noqa: E402
import pytest  # noqa: E402
import run as guests  # noqa: E402

HASWELL, LYNNFIELD, PENRYN = "vmx:corei7_haswell_4770", "vmx:corei5_lynnfield_750", "vmx:core2_penryn_t9600"
NO_NPT = "svm:no-npt"
MACHINES = [
    "native",
    "native:bochs:corei7_haswell_4770",
    "native:bochs:ryzen",
    "svm",
    NO_NPT,
    HASWELL,                            # all of VT-x that the monitor uses
    "vmx:corei5_arrandale_m520",        # the first with unrestricted guest
    LYNNFIELD,                          # EPT without it
    PENRYN,                             # no EPT
    "vmx:corei7_skylake_x",
    "bochs-svm:phenom_8650_toliman",    # nested paging, no next RIP
    "bochs-svm:ryzen",
    "bochs-svm:turion64_tyler",         # no nested paging
]
# The hostile guest's seeds run in full where a monitor breaks first; one elsewhere.
ALL_SEEDS = ["svm", NO_NPT, HASWELL]

# name: example, vCPUs and processors, machines.
BOOTS = {
    "boot-686": ("debian-686", 1, [HASWELL, LYNNFIELD, PENRYN, NO_NPT]),
    "boot-686-pae": ("debian-686-pae", 1, [HASWELL, LYNNFIELD, PENRYN, NO_NPT]),
    "boot-amd64": ("debian-amd64", 1, [HASWELL, PENRYN]),
    "boot-686-smp": ("debian-686", 2, [HASWELL]),
}
# Tests of tests/boot/test_dos.py, with NULLRING_MACHINE set.
DOS = {
    "dos-grub-floppy": ("test_grub_from_a_floppy", [NO_NPT, HASWELL, LYNNFIELD]),
    "dos-grub-cd": ("test_grub_from_a_cd", [NO_NPT, HASWELL, LYNNFIELD]),
    "dos-freedos-160": ("test_freedos_keeps_a_file[160]", [NO_NPT, HASWELL]),
    "dos-freedos-1440": ("test_freedos_keeps_a_file[1440]", [NO_NPT, HASWELL, LYNNFIELD]),
    "dos-mikeos": ("test_mikeos_shows_its_menu", [NO_NPT, HASWELL, LYNNFIELD]),
}
# Whole systems from images. memtest86+'s pass waits ten minutes to see bits fade. name: what is done, machines.
IMAGES = {
    "memtest86": (images.memtest, [NO_NPT, HASWELL, LYNNFIELD]),
    "memtest86-pass": (lambda machine: images.memtest(machine, whole=True, seconds=BOOT_SECONDS), ["svm"]),
    "xv6-usertests": (images.usertests, ["svm"]),
    "kolibri": (images.kolibri, ["svm"]),
}
# Drives that start by themselves: a disk natively and on each controller, and a disc. name: example, what compatible becomes,
# what comes on the console, machines.
LOGIN = "debian-disk login: $"
DRIVES = {
    "drive-ide": ("debian-pc", "nullring,ide-disk", LOGIN, ["native", HASWELL]),
    "drive-ahci": ("debian-pc", "nullring,ahci-disk", LOGIN, ["native", "svm"]),
    "drive-virtio": ("debian-pc", "virtio,block", LOGIN, ["native", "svm"]),
    "drive-cd": ("debian-installer-cd", "nullring,ide-cd", "Select a language", ["native", "svm"]),
}
BOOT_SECONDS = 1800


class Boot(guests.Run):
    """A Debian kernel to its init's report, computed from a nonce, and to its end."""

    repeats = False
    alone = True

    @property
    def label(self):
        return f"{self.name} {self.machine}"

    def boot(self, keep, text, *options):
        """A description's text and more options of `nr boot`; the finished process."""
        with tempfile.TemporaryDirectory(prefix="nr-boot-") as temporary:
            path = pathlib.Path(temporary) / "guest.dts"
            path.write_text(text.replace('"../build/', f'"{ROOT}/build/'))
            run = subprocess.run([ROOT / "build" / "nr", "boot", "--machine", self.machine, "--timeout", str(BOOT_SECONDS),
                                  *options, path], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if keep:
            (keep / f"{self.name}.{self.machine}").write_bytes(run.stdout + b"\n" + run.stderr)
        self.why = f"status {run.returncode}" if run.returncode != 0 else None
        return run

    def run(self, reference, keep):
        begin = time.monotonic()
        example, cpus, _ = BOOTS[self.name]
        nonce = guests.NONCE % 100000
        text = (ROOT / "examples" / f"{example}.dts").read_text().replace("count = <1>", f"count = <{cpus}>")
        run = self.boot(keep, text, "--cpus", str(cpus), "--append", f"quiet mode=report nonce={nonce}")
        console = run.stdout.decode("latin-1").replace("\r", "").splitlines()
        wanted = [f"MARKER {nonce * 7 + 3}", f"processors: {cpus}"]
        missing = [line for line in wanted if line not in console]
        if not self.why and missing:
            self.why = f"not said: {missing[0]}"
        self.seconds = time.monotonic() - begin
        return self


class Drive(Boot):
    """A guest with a BIOS, to what its drive brings on the console."""

    def run(self, reference, keep):
        begin = time.monotonic()
        example, kind, text, _ = DRIVES[self.name]
        description = (ROOT / "examples" / f"{example}.dts").read_text().replace("nullring,ide-disk", kind)
        self.boot(keep, description, "--expect", text)
        self.seconds = time.monotonic() - begin
        return self


class Dos(Boot):
    """A test of test_dos.py. One that was skipped, for want of the system's image, has not passed."""

    def run(self, reference, keep):
        begin = time.monotonic()
        run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
                              f"tests/boot/test_dos.py::{DOS[self.name][0]}"], stdin=subprocess.DEVNULL, capture_output=True,
                             check=False, cwd=ROOT, env=dict(os.environ, NULLRING_MACHINE=self.machine))
        if keep:
            (keep / f"{self.name}.{self.machine}").write_bytes(run.stdout + b"\n" + run.stderr)
        passed = run.returncode == 0 and b"1 passed" in run.stdout
        self.why = None if passed else run.stdout.decode(errors="replace").strip().splitlines()[-1]
        self.seconds = time.monotonic() - begin
        return self


class Image(Boot):
    """A system of tests/boot/images.py. One whose image is missing has not passed."""

    def run(self, reference, keep):
        begin = time.monotonic()
        self.why = None
        try:
            IMAGES[self.name][0](self.machine)
        except pytest.skip.Exception as missing:
            self.why = f"skipped: {missing}"
        except AssertionError as error:
            self.why = str(error).split("\n", 1)[0]
            if keep:
                (keep / f"{self.name}.{self.machine}").write_text(str(error))
        self.seconds = time.monotonic() - begin
        return self


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--machine", action="append", help="some machines only")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=pathlib.Path, help="keep each output in this directory")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    machines = guests.listed(arguments.machine) or MACHINES
    kernels = guests.routine_names()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)

    def wanted(name):
        return not arguments.names or name in arguments.names

    runs = guests.runs_of([name for name in kernels if wanted(name)], machines, ALL_SEEDS)
    runs += [Boot(name, 1, machine) for name, (_, _, on) in BOOTS.items() if wanted(name) for machine in on
             if machine in machines]
    runs += [Drive(name, 1, machine) for name, (*_, on) in DRIVES.items() if wanted(name) for machine in on
             if machine in machines]
    runs += [Image(name, 1, machine) for name, (_, on) in IMAGES.items() if wanted(name) for machine in on
             if machine in machines]
    runs += [Dos(name, 1, machine) for name, (_, on) in DOS.items() if wanted(name) for machine in on if machine in machines]
    guests.run_all(runs, arguments.jobs, arguments.keep, guests.RETRIES)
    guests.print_table(runs)
    return guests.print_sum(runs)


if __name__ == "__main__":
    sys.exit(main())
