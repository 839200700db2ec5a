"""Checks of notebook 07: right when nothing fails, and right when something does."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.classroom.exercises import NotYet
from labkit.parallel.faults import FaultReport
from labkit.parallel.tasks import NOWHERE, TaskEvent


def _ran(task: str, worker: int, submitted: float, started: float, finished: float, error: str | None) -> TaskEvent:
    return TaskEvent(task, worker, "local", 1, submitted, started, finished, finished, 1, 1, error)


def _died(task: str, worker: int, submitted: float, noticed: float) -> TaskEvent:
    return TaskEvent(task, worker, NOWHERE, 1, submitted, noticed, noticed, noticed, 0, 0, f"worker {worker} died")


def check_1(lost_work: Any) -> None:
    """Check lost work on a run that lost two attempts, had lost one before, and saw another fail by itself."""
    struck = 6.0
    events = [
        _died("d", 2, 5.0, 7.5), _ran("a", 0, 0.0, 0.0, 4.0, None), _died("e", 1, 0.5, 2.0), _died("b", 0, 0.1, 7.0),
        _ran("c", 1, 5.1, 5.2, 8.0, "ValueError()"), _ran("b", 0, 7.0, 9.0, 11.0, None),
    ]  # fmt: skip
    given, right = list(events), FaultReport(struck, events).lost_s
    found = lost_work(given, struck)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NotYet("no_number")
    if abs(found - right) > 1e-9:
        raise NotYet(
            {
                6.9: "from_submitted", 5.5: "until_noticed", 9.4: "until_noticed", 2.0: "only_one", 1.0: "only_one",
                3.8: "failed_too", 3.9: "failed_too", 8.5: "earlier_too", 0.0: "noticed_is_begun",
                -2.5: "noticed_is_begun",
            }.get(round(float(found), 6), "wrong"),
            found=float(found), right=right,
        )  # fmt: skip
    if given != events:
        raise NotYet("changed")


class _Work:
    """Something that raises so many errors and then returns a result."""

    def __init__(self, error: type[Exception], n_errors: int) -> None:
        self.error, self.n_errors, self.n_calls = error, n_errors, 0

    def __call__(self) -> int:
        self.n_calls += 1
        if self.n_calls <= self.n_errors:
            raise self.error(f"call {self.n_calls}")
        return 0


def _tried(retry: Any, work: _Work, max_attempts: int) -> tuple[Any, Exception | None]:
    try:
        return retry(work, max_attempts, (ConnectionError, TimeoutError)), None
    except Exception as fault:
        return None, fault


def check_2(retry: Any) -> None:
    """Check that what may be retried is, up to the limit; that nothing else is; that no error gets lost."""
    work = _Work(ConnectionResetError, 2)
    found, fault = _tried(retry, work, 5)
    if fault is not None:
        raise NotYet("gave_up", n=work.n_calls)
    if work.n_calls > 3:
        raise NotYet("called_again", n=work.n_calls - 3)
    if found is None:
        raise NotYet("no_result")
    always = _Work(TimeoutError, 50)
    _, fault = _tried(retry, always, 3)
    if always.n_calls >= 50:
        raise NotYet("endless")
    if fault is None:
        raise NotYet("swallowed")
    if always.n_calls != 3:
        raise NotYet("another_number", n=always.n_calls)
    if not isinstance(fault, TimeoutError):
        raise NotYet("another_error", error=type(fault).__name__)
    wrong = _Work(ValueError, 1)
    _, fault = _tried(retry, wrong, 3)
    if wrong.n_calls > 1:
        raise NotYet("retried_anyway")
    if not isinstance(fault, ValueError):
        raise NotYet("hidden")


class _Killed(BaseException):
    """What ends an attempt in the middle: no `except Exception` catches it."""


class _Watch:
    """What is opened for writing in a folder, and renamed; the process may "die" as it renames."""

    folder: Path | None = None
    dies = False
    written: list[Path] = []  # noqa: RUF012 (one for all: an audit hook cannot be taken away again)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _Watch.folder is None or event not in ("open", "os.rename") or not isinstance(args[0], str | os.PathLike):
        return
    path = Path(os.fspath(args[0])).absolute()
    if _Watch.folder not in path.parents:
        return
    if event == "os.rename" and _Watch.dies:
        raise _Killed
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        _Watch.written.append(path)


sys.addaudithook(_audit)


@contextmanager
def _watched(folder: Path, *, dies: bool = False) -> Iterator[list[Path]]:
    _Watch.folder, _Watch.dies, _Watch.written = folder, dies, []
    try:
        yield _Watch.written
    except _Killed:
        pass
    finally:
        _Watch.folder = None


def _direct(written: list[Path]) -> list[str]:
    """Return the files that were written under the names that they still have: for a while they were half."""
    return [path.name for path in written if path.exists()]


def _fails(work: Callable[[], Any]) -> bool:
    try:
        work()
    except Exception:
        return True
    return False


def check_3(book: Any) -> None:
    """Check that a booking is there once whatever is retried, and under its final name only as a whole."""

    def amount(key: str) -> float | None:
        try:
            return float((folder / key).read_text())
        except (OSError, ValueError):
            return None

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        with _watched(folder) as written:
            book(folder, "a", 3.5)
            book(folder, "b", 2.0)
        direct, names = _direct(written), {path.name for path in folder.iterdir()}
        if not {"a", "b"} <= names:
            raise NotYet("not_by_key", names=", ".join(sorted(names)) or "–")
        if names > {"a", "b"}:
            raise NotYet("left_over", names=", ".join(sorted(names - {"a", "b"})))
        if (amount("a"), amount("b")) != (3.5, 2.0):
            raise NotYet("another_amount", found=(folder / "a").read_text())
        if _fails(lambda: book(folder, "a", 3.5)):
            raise NotYet("refuses_again")
        if amount("a") != 3.5:
            raise NotYet("twice", found=(folder / "a").read_text())
        if direct:
            raise NotYet("not_whole", name=direct[0])
        with _watched(folder, dies=True):
            book(folder, "c", 1.0)
        if _fails(lambda: book(folder, "c", 1.0)) or amount("c") != 1.0:
            raise NotYet("stuck")


def check_4(checkpoint: Any) -> None:
    """Check that what is saved is loaded, by another process too, and never half."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, key, value = Path(scratch).resolve(), "forest-60#1/3", {"auc": 0.75, "n_trees": 20}
        kept = checkpoint(folder)
        if _fails(lambda: kept.load(key)) or kept.load(key) is not None:
            raise NotYet("never_saved")
        with _watched(folder) as written:
            kept.save(key, value)
        direct = _direct(written)
        if kept.load(key) != value:
            raise NotYet("another_value", found=str(kept.load(key)))
        if checkpoint(folder).load(key) != value:
            raise NotYet("in_memory")
        if kept.load("forest-60#1_3") is not None or kept.load("forest-60#2/3") is not None:
            raise NotYet("one_for_all")
        if direct:
            raise NotYet("not_whole", name=direct[0])
        with _watched(folder, dies=True):
            kept.save(key, {"auc": 0.5})
        if _fails(lambda: checkpoint(folder).load(key)) or checkpoint(folder).load(key) != value:
            raise NotYet("old_one_lost")
        if _fails(lambda: kept.save(key, {"auc": 0.5})) or checkpoint(folder).load(key) != {"auc": 0.5}:
            raise NotYet("stuck")
