"""An instruction on device memory that the emulator does not know: of the guest's system it ends the guest, with its bytes,
where it is, what it was about and the processor's state; of a program it is #UD and a line in the log. A description can ask
for #UD in both cases."""

import re

import pytest
from nullring import BUILD, DONE, UNEXPECTED, WORK, boot

WHAT = r"vCPU 0: the 32-bit instruction 66 0f fe 05 10 00 c0 fe at 00(08|3b):[0-9a-f]+ cannot be emulated"
STATE = [r"rax [0-9a-f]+, rcx ", r"rip [0-9a-f]+, rflags [0-9a-f]+, cr0 [0-9a-f]+, ", r"es 0010 base 0, cs 0008 base 0, ss 0010 base 0"]


def run(machine, ring, choice=None):
    WORK.mkdir(parents=True, exist_ok=True)
    guest = WORK / f"unknown-instruction-{ring}-{choice}.dts"
    said = f'unknown-instruction = "{choice}"; ' if choice else ""
    guest.write_text(f'''/dts-v1/;
/ {{
    compatible = "nullring,guest"; model = "k"; {said}
    memory {{ size-mib = <64>; }};
    chosen {{ loader = "multiboot"; kernel = "{BUILD}/guests/unknown_instruction.elf"; bootargs = "nonce=1 ring={ring}"; }};
}};
''')
    return boot("--machine", machine, guest, seconds=120)


@pytest.mark.parametrize("machine", ["svm", "vmx:haswell"])
def test_of_the_system(machine):
    found = run(machine, 0)
    assert found.status == UNEXPECTED and "DONE" not in found.console, found.text
    assert re.search(rf"^nullring: guest k: killed: {WHAT}, and its operand at fec00010 is no RAM$", found.lines, re.M), found.text
    for line in STATE:
        assert re.search(rf"^nullring: guest k: {line}", found.lines, re.M), found.text


@pytest.mark.parametrize("ring, choice", [(3, None), (3, "stop"), (0, "fault"), (3, "fault")])
def test_that_is_undefined(ring, choice):
    found = run("svm", ring, choice)
    assert found.status == DONE and "DONE 1 checks, 0 failed" in found.console, found.text
    assert re.search(rf"^nullring: guest k: {WHAT}$", found.lines, re.M), found.text
