"""The test build of the device model (devices/misbehave.c) crashes, spins, answers nonsense, reaches for what is not its
own: it is restarted from its state blocks once; if that does not help, its guest ends with a sentence. A guest beside it
finishes with the result that it has alone. Nothing here ends the monitor."""

import re

import pytest
from nullring import BUILD, DONE, WORK, boot

ALWAYS = 0x80
ADDRESS = "it used an address that is not its own"

# enum misbehaviour of devices/misbehave.h, and what the monitor says to it.
KINDS = {
    "crash": (1, ADDRESS),
    "spin": (2, "it used up its time in one upcall"),
    "nonsense": (3, "it answered nonsense"),
    "read_monitor": (4, ADDRESS),
    "read_foreign": (5, ADDRESS),
    "write_text": (6, ADDRESS),
    "stack_overflow": (8, ADDRESS),
    "read_fpu": (9, "it raised an exception"),
    "trap_flags": (10, "it raised an exception"),
}
DAMAGE_STATE, BROKEN_STATE = 7, 11


def kernel(name, model, words):
    """The description of a test kernel."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{model}.dts"
    path.write_text(f"""/dts-v1/;
/ {{
    compatible = "nullring,guest";
    model = "{model}";
    memory {{ size-mib = <64>; }};
    cpus {{ count = <1>; }};
    chosen {{ loader = "multiboot"; kernel = "{BUILD}/guests/{name}.elf"; bootargs = "{words}"; }};
}};
""")
    return path


def misbehave(how, *beside, machine="svm", monitor="nullring-test"):
    """Beside another guest each line of the console has its guest's name in front."""
    run = boot("--machine", machine, "--monitor", BUILD / monitor, "--why",
               kernel("misbehave", "misbehaving", f"nonce=1 how={how}"), *beside, seconds=120)
    assert "nullring: panic" not in run.lines, run.text
    assert "all guests have ended" in run.lines, run.text
    assert f"asking for {how}" in run.console, run.text
    return run


def assert_neighbour_is_well(run, measures=True):
    """measures: what it says of its clocks counts, too. Bochs' processor is so slow that a turn of another guest's falls
    between the two reads of a measurement."""
    assert "[neighbour] checksum: b8797dc5 ok" in run.console, run.text
    failed = "0" if measures else r"\d"
    assert re.search(rf"\[neighbour\] DONE \d checks, {failed} failed", run.console), run.text
    assert "nullring: guest neighbour: powered off" in run.lines, run.text
    assert "guest neighbour: device model restarted" not in run.lines, run.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_helps(kind):
    how, why = KINDS[kind]
    run = misbehave(how)
    assert run.status == DONE, run.text
    assert f"nullring: guest misbehaving: device model restarted: {why}\n" in run.lines, run.text
    assert "device model restarted 1 times" in run.lines, run.text
    assert "DONE 4 checks, 0 failed" in run.console, run.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_time_the_guest_ends(kind):
    how, why = KINDS[kind]
    run = misbehave(how | ALWAYS)
    assert run.lines.count("device model restarted: ") == 1, run.text
    sentence = f"nullring: guest misbehaving: killed: its device model failed again after a restart: {why}\n"
    assert sentence in run.lines, run.text
    assert "DONE" not in run.console, run.text


def test_a_damaged_state_block_ends_the_guest():
    run = misbehave(DAMAGE_STATE)
    assert re.search(r"^nullring: guest misbehaving: killed: .*8259.*$", run.lines, re.M), run.text
    assert "DONE" not in run.console, run.text


@pytest.mark.parametrize("kind", ["crash", "spin", "nonsense", "read_monitor", "read_foreign"])
def test_the_neighbour_does_not_notice(kind):
    how, _ = KINDS[kind]
    run = misbehave(how | ALWAYS, kernel("neighbour", "neighbour", "nonce=1"))
    assert "nullring: guest misbehaving: killed: " in run.lines, run.text
    assert_neighbour_is_well(run)


@pytest.mark.parametrize("machine", ["svm", "vmx:haswell"])
def test_a_state_that_breaks_a_rule_ends_the_guest(machine):
    run = misbehave(BROKEN_STATE, kernel("neighbour", "neighbour", "nonce=1"), machine=machine)
    sentence = "its device model set a state that no processor has: CR4 has a reserved bit set"
    assert f"nullring: guest misbehaving: killed: {sentence}\n" in run.lines, run.text
    assert_neighbour_is_well(run, measures=machine == "svm")


@pytest.mark.parametrize("machine, code", [("svm", "ffffffff"), ("vmx:haswell", "80000021"), ("vmx:penryn", "80000021")])
def test_an_entry_that_the_processor_refuses_ends_the_guest(machine, code):
    """The state gets past the monitor's own check, once."""
    run = misbehave(BROKEN_STATE, kernel("neighbour", "neighbour", "nonce=1"), machine=machine, monitor="nullring-unchecked")
    sentence = f"vCPU 0: the processor refused its state (vendor code {code}): CR4 has a reserved bit set"
    assert f"nullring: guest misbehaving: killed: {sentence}\n" in run.lines, run.text
    assert_neighbour_is_well(run, measures=machine == "svm")
