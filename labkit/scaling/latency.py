"""Work that waits instead of computing: shards fetched from a store whose answers are late.

The bytes, their parsing and their cleaning are real; only the lateness is injected, and every record says how much.
Here more workers than cores do help, as they do where data lie in an object store far away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.data.features import FeatureBlock
from labkit.errors import InvalidArgument
from labkit.parallel.actors import DataProcessor
from labkit.parallel.service import LOOPBACK
from labkit.parallel.tasks import Task
from labkit.scaling.limit import Work

if TYPE_CHECKING:
    from labkit.data.prepare import Dataset

MAX_LATENCY_S = 60.0
_FETCHED_SHARDS = 64


def n_shards(latency_s: float | None) -> int:
    """Return how many shards a year is cut into: many small ones where fetching is measured, 8 where training is.

    Raises
    ------
    InvalidArgument
        If the latency makes no sense.
    """
    if latency_s is None:
        return 8
    if not 0 <= latency_s <= MAX_LATENCY_S:
        raise InvalidArgument(f"An injected latency lies between 0 and {MAX_LATENCY_S:g} s, not at {latency_s!r}.")
    return _FETCHED_SHARDS


@contextlib.contextmanager
def late_store(folder: Path, latency_s: float) -> Iterator[str]:
    """Serve a folder's files on the loopback address, each answer late; yield the address.

    Parameters
    ----------
    folder : Path
        Whose files are served, read-only.
    latency_s : float
        How long each answer is held back, in seconds, 0 to 60.

    Raises
    ------
    InvalidArgument
        If the latency makes no sense.
    """
    n_shards(latency_s)
    handler = functools.partial(_LateHandler, latency_s, directory=str(folder))
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="labkit-late-store", daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _LateHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, latency_s: float, *arguments: Any, **options: Any) -> None:
        self._latency_s = latency_s
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        time.sleep(self._latency_s)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing: a notebook is no server's log."""


def fetching_work(dataset: Dataset, address: str) -> Work:
    """Return the work of fetching, parsing, cleaning and encoding each training shard from a store.

    Parameters
    ----------
    dataset : Dataset
        Whose shards the store at `address` serves by their file names.
    address : str
        A URL that fsspec opens, without a slash at its end.
    """
    tasks = [
        Task(f"fetch-{number}", "process_chunk", dataclasses.replace(shard, url=f"{address}/{Path(shard.url).name}"))
        for number, shard in enumerate(dataset.train)
    ]
    return Work(tasks, DataProcessor, (dataset.encoder,), {}, dataset.n_rows, FeatureBlock.digest, _digest_of)


def _digest_of(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
