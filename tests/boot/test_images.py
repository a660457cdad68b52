"""Whole systems from images alone (images.py says which). Where one is missing its test is skipped by name, and the sum of
`make test` says so. Bochs, and what takes minutes, is for `make test-matrix`.
"""

import images
import pytest


@pytest.mark.parametrize(("machine", "cpus"), [("svm", 1), ("svm", 2), ("svm:no-npt", 1)])
def test_memtest86_finds_the_memory_good(machine, cpus):
    images.memtest(machine, cpus)


def test_ipxe_answers_at_its_prompt():
    images.ipxe()


def test_floppinux_runs_a_command_in_its_shell():
    images.floppinux()


def test_xv6_starts_both_processors():
    with images.xv6():
        pass
