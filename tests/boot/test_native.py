"""The examples on the bare emulator: if these fail, a failure under the monitor says nothing about the monitor."""

import pytest
from nullring import DONE, boot, description, marker


@pytest.mark.parametrize("example", ["debian-686", "debian-686-pae", "debian-amd64"])
def test_kernel_reaches_its_marker(example):
    run = boot("--machine", "native", "--append", "quiet mode=report nonce=314",
               description(example, f"native-{example}"), expect=[marker(314), "^processors: 1$"])
    assert run.status == DONE, run.text


def test_two_processors():
    run = boot("--machine", "native", "--append", "quiet mode=report nonce=2",
               description("debian-686-pae", "native-smp", cpus=2), expect=[marker(2), "^processors: 2$"])
    assert run.status == DONE, run.text
