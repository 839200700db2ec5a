"""Small actors whose work can be foreseen, importable by worker processes."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np


class Toy:
    """Do what a test needs to see."""

    def __init__(self, factor: float = 1.0) -> None:
        if factor < 0:
            raise ValueError("a negative factor")
        self._factor = factor
        self.calls = 0

    def times(self, number: float) -> float:
        self.calls += 1
        return number * self._factor

    def total(self, number: float, rows: np.ndarray) -> float:
        return float(rows.sum()) + number

    def writeable(self, _: Any, rows: np.ndarray) -> bool:
        return bool(rows.flags.writeable)

    def pid(self, _: Any) -> int:
        time.sleep(0.02)
        return os.getpid()

    def sleep(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def wait_for(self, path: str) -> str:
        """Wait until there is a file."""
        while not Path(path).exists():
            time.sleep(0.01)
        return "there"

    def zeros(self, n: int) -> np.ndarray:
        return np.zeros(n)

    def spin(self, seconds: float) -> None:
        """Compute until this thread has used so much CPU time."""
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def spin_on(self, where: tuple[int, float]) -> None:
        """Compute on one CPU, on which this process stays."""
        os.sched_setaffinity(0, {where[0]})
        self.spin(where[1])

    def fetch(self, address: str) -> int:
        with urllib.request.urlopen(address) as answer:
            return len(answer.read())

    def blank(self, n_bytes: int) -> bytes:
        return bytes(n_bytes)

    def fail(self, text: str) -> None:
        raise KeyError(text)

    def fail_until(self, arguments: tuple[str, int]) -> int:
        """Fail until the file has as many lines, one a try."""
        path, needed = Path(arguments[0]), arguments[1]
        with path.open("a") as file:
            file.write("x\n")
        tries = len(path.read_text().splitlines())
        if tries < needed:
            raise RuntimeError(f"try {tries}")
        return tries

    def die_once(self, path: str) -> str:
        """Kill the process at the first call."""
        if not Path(path).exists():
            Path(path).write_text("died")
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"

    def die(self, _: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def threads(self, _: Any) -> dict[str, str | None]:
        return {
            name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
        }

    def unpicklable_error(self, _: Any) -> None:
        class Local(Exception):
            def __init__(self, one: int, two: int) -> None:
                super().__init__("both")

        raise Local(1, 2)


def same(value: Any) -> Any:
    return value


def joined(values: list[Any]) -> str:
    return "|".join(map(str, values))


class DiesAtFirst:
    """Kill the own process as many times as asked for, before anything is done."""

    def __init__(self, path: str, n_times: int) -> None:
        n_died = int(Path(path).read_text()) if Path(path).exists() else 0
        if n_died < n_times:
            Path(path).write_text(str(n_died + 1))
            os.kill(os.getpid(), signal.SIGKILL)

    def double(self, number: int) -> int:
        return 2 * number
