"""Data that several processes of one host read without copying it.

The value is pickled with its large buffers apart (protocol 5, PEP 574); they lie in anonymous memory that every reader
maps read-only, as Ray's object store does it. The memory has no name, so nothing is left behind however the
processes end.
"""

from __future__ import annotations

import mmap
import os
import pickle
from typing import Any

from labkit.errors import NotEnoughMemory

_ALIGNMENT = 64  # of a cache line, and what NumPy's vector loops like best


class Shared:
    """A value in memory that other processes of this user can open, by a pickled copy of this object."""

    def __init__(self, value: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        self._head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        self._spans: list[tuple[int, int]] = []
        self._fd = os.memfd_create("labkit-shared")
        end = 0
        try:
            for view in views:
                end = -(-end // _ALIGNMENT) * _ALIGNMENT
                self._spans.append((end, view.nbytes))
                end += view.nbytes
            os.ftruncate(self._fd, max(end, 1))
            for (start, _), view in zip(self._spans, views, strict=True):
                _write_at(self._fd, view, start)
        except OSError as fault:
            self.close()
            raise NotEnoughMemory(
                f"Sharing {end / 1e6:,.0f} MB between processes failed ({fault.strerror}): this machine has not"
                " that much memory left. Choose fewer days or a smaller scale, or end other programs."
            ) from fault

    def value(self) -> Any:
        """Return the value, its arrays read-only and mapped, not copied."""
        whole = memoryview(mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ))
        return pickle.loads(self._head, buffers=[whole[start : start + size] for start, size in self._spans])

    def close(self) -> None:
        """Give this process's hold on the memory back; values already mapped stay valid."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __reduce__(self) -> tuple[Any, ...]:
        # A path that any process of the same user can open while this one holds the memory: whatever starts the
        # worker (a fork server, loky, Dask), no handle has to be passed on.
        return _rebuilt, (self._head, self._spans, f"/proc/{os.getpid()}/fd/{self._fd}")


def _rebuilt(head: bytes, spans: list[tuple[int, int]], path: str) -> Shared:
    shared = Shared.__new__(Shared)
    shared._head, shared._spans, shared._fd = head, spans, os.open(path, os.O_RDONLY)
    return shared


def _write_at(fd: int, view: memoryview, offset: int) -> None:
    flat = view.cast("B")
    while flat:
        written = os.pwrite(fd, flat[: 1 << 30], offset)
        flat, offset = flat[written:], offset + written
