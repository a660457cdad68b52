"""Which test kernels share a boot under the monitor, as guests side by side, and which have the machine for themselves.

Starting an emulator, GRUB and the monitor costs more than most kernels do, so some kernels go into one image and run at the
same time, on one processor. What one does must not show in what another prints: that is tested by this, too. Natively each
kernel boots alone.

ALONE is the one list of those that do not share, with the reason. Kernels that are run only when named may be named in it or
not; any other with an option that belongs to the machine (OWN_MACHINE) must be.
"""

MEASURES = "holds clocks against each other, or counts in time: a neighbour's turn would show"
PROCESSORS = "has the processors of the machine for itself"
ALONE = {
    "clock_agree": MEASURES,
    "extint": MEASURES,
    "hlt_wake": MEASURES,
    "hpet": MEASURES,
    "ioapic_edge": MEASURES,
    "lapic_timer": MEASURES,
    "nt_hal_clock": MEASURES,
    "pic": MEASURES,
    "pit": MEASURES,
    "rtc": MEASURES,
    "fpu": PROCESSORS,
    "ipi": PROCESSORS,
    "nmi_smp": PROCESSORS,
    "smp_start": PROCESSORS,
    "tsc_smp": PROCESSORS,
    "hostile": "does all it can to the monitor; beside whom it runs is chosen: neighbour",
    "neighbour": "runs alone, then beside the hostile one",
}

# Options of a head comment that say something of the machine, not of the guest.
OWN_MACHINE = ["processors", "clock", "beside", "seeds"]
SIZE = 9


def is_alone(name, options):
    needs = [key for key in [*OWN_MACHINE, "cpus"] if options.get(key, "1") != "1"]
    if needs and name not in ALONE and "manual" not in options:
        raise SystemExit(f"{name}: {needs[0]}= in its head comment, so it cannot share a machine; say so in packs.py")
    return name in ALONE or "manual" in options


def packs_of(runs):
    """The runs in groups, each for one boot. Those alone come first: among them are the longest."""
    shared = {}
    for run in runs:
        if not run.alone:
            shared.setdefault(run.machine, []).append(run)
    packs = [[run] for run in runs if run.alone]
    for members in shared.values():
        boots = -(-len(members) // SIZE)
        packs += [members[first::boots] for first in range(boots)]
    return packs
