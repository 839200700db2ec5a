"""Leases: one holder at a time, however it ends.

The system gives a lock on a file back when its holder dies, so no lease outlives a killed process. The file itself
stays: were it removed, a third process could lock a new one while a second still waits on the old.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from labkit.errors import Busy
from labkit.files.whole import told_clearly

_POLL_S = 0.25


class Lease:
    """The right to do something alone.

    Parameters
    ----------
    path : Path
        A file that all who want the same right name.
    purpose : str
        What for, in words that others are told.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self.path, self.purpose = path, purpose

    @contextlib.contextmanager
    def acquired(self, wait_s: float = 0.0, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the lease for a block.

        Parameters
        ----------
        wait_s : float
            How long to wait for another holder, in seconds.
        on_wait : callable, optional
            Called while waiting, with who holds it.

        Raises
        ------
        Busy
            If another holds it still.
        StorageError
            If the file cannot be written.
        """
        with told_clearly(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + wait_s
            while not _locked(handle):
                if time.monotonic() >= until:
                    raise Busy(f"Somebody else is at it: {self.holder()}. Wait until that ends, or end it.")
                if on_wait is not None:
                    on_wait(self.holder())
                time.sleep(_POLL_S)
            owner = {"pid": os.getpid(), "purpose": self.purpose, "since": datetime.now().isoformat(timespec="seconds")}
            with told_clearly(self.path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(owner).encode(), 0)
            yield
        finally:
            os.close(handle)

    def holder(self) -> str:
        """Say who wrote the lease last."""
        try:
            owner = json.loads(self.path.read_text())
            return f"{owner['purpose']} (process {owner['pid']}, since {owner['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
