"""What `labkit bench` says of notebooks that it cannot run."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("bench", "04", "-p", "days=two"), "days is int"),
        (("bench", "99"), "no one notebook '99'"),
        (("bench", "--all", "-p", "nothing=1"), "No notebook has a parameter nothing"),
        (("bench", "04", "--days", "3", "--weak"), "as -p key=value, and no --days, --weak"),
        (("bench", "--weak", "--latency-s", "0.5"), "--weak or --latency-s, not both"),
        (("bench", "--all", "01"), "either a notebook's name, --all"),
        (("bench", "--verify", "none"), "No run begins with 'none'"),
    ],
)
def test_wrong_use_is_told(labkit: Shell, arguments: tuple[str, ...], reason: str) -> None:
    assert reason in " ".join(labkit.run(*arguments, status=2).split())
