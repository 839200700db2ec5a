from __future__ import annotations

import contextlib
import signal

import pytest

from labkit.cli import show


def test_an_interrupt_that_a_library_swallowed_ends_the_command_at_its_next_step(monkeypatch) -> None:
    monkeypatch.setattr(show, "_asked_to_end", [])
    before = signal.signal(signal.SIGUSR1, show.end_by)
    try:
        with show.progress("First", quiet=True), contextlib.suppress(KeyboardInterrupt):  # as some imports do
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(KeyboardInterrupt), show.progress("Second", quiet=True):
        pass
