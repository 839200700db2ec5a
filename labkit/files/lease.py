"""A lease: what one process holds at a time, and gives back even when it is killed."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from labkit import host
from labkit.errors import Busy
from labkit.files.whole import clear_errors

_POLL_S = 0.1
_NOBODY_IN_PARTICULAR = "another process holds it"


@dataclasses.dataclass(frozen=True)
class Lease:
    """The right to do what only one process may do at a time.

    Parameters
    ----------
    path : Path
        The file that stands for it. Never remove it: who waits would go on waiting for the removed one.
    purpose : str
        Told to those who wait.
    """

    path: Path
    purpose: str

    @contextlib.contextmanager
    def acquired(self, wait_s: float = 0.0, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the lease for the time of a block.

        Parameters
        ----------
        wait_s : float
            How long to wait for it, in seconds.
        on_wait : callable, optional
            Told who holds it, at first and whenever somebody else is known to.

        Raises
        ------
        Busy
            If somebody else holds it all that time.
        StorageError
            If its file cannot be written.
        """
        until, told = time.monotonic() + wait_s, None
        while (handle := self._try()) is None:
            holder = self.holder()
            if time.monotonic() >= until:
                raise Busy(f"Cannot {self.purpose} now: {holder}. Wait for it, or end it.")
            news = told is None or holder not in (told, _NOBODY_IN_PARTICULAR)
            if on_wait is not None and news:
                on_wait(holder)
                told = holder
            time.sleep(_POLL_S)
        try:
            with contextlib.suppress(OSError):  # who holds it is only a courtesy: a full disk must not stop anybody
                owner = {"pid": os.getpid(), "purpose": self.purpose, "since": datetime.now(UTC).isoformat()}
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(owner).encode(), 0)
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
            fcntl.flock(handle, fcntl.LOCK_UN)  # not left to close: a forked child may hold a copy of the handle
            os.close(handle)

    def holder(self) -> str:
        """Say in words who holds it and since when."""
        try:
            owner = json.loads(self.path.read_bytes())
            since = datetime.fromisoformat(owner["since"]).astimezone()
            if host.is_alive(owner["pid"], None):
                return f"process {owner['pid']} holds it since {since:%H:%M:%S} ({owner['purpose']})"
        except (OSError, ValueError, TypeError, LookupError):
            pass  # it is being taken or given back this very moment
        return _NOBODY_IN_PARTICULAR

    def _try(self) -> int | None:
        """Return a handle that holds the lock, None where somebody else does."""
        with clear_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A file removed meanwhile is nobody's lease: the next one locks a new file, and both would hold it.
            if os.path.samestat(os.fstat(handle), os.stat(self.path)):
                return handle
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(handle)
        return None

    def _open(self) -> int:
        # In a shared folder such as /tmp the kernel refuses O_CREAT on another user's file, and a link is a trap.
        try:
            return os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            handle = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CREAT, 0o666)
            os.fchmod(handle, 0o666)  # every user of this machine waits for it
            return handle
