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
        small = {"found": float(found), "right": right, "struck": struck, "events": events}
        raise NotYet(
            {
                6.9: "from_submitted", 5.5: "until_noticed", 9.4: "until_noticed", 2.0: "only_one", 1.0: "only_one",
                3.8: "failed_too", 3.9: "failed_too", 8.5: "earlier_too", 0.0: "noticed_is_begun",
                -2.5: "noticed_is_begun",
            }.get(round(float(found), 6), "wrong"),
            **small,
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
    """What is opened for writing in a folder, and what each file held as it got its name by a rename.

    The process may "die" as it renames.
    """

    def __init__(self, folder: Path, dies: bool) -> None:
        self.folder, self.dies = folder, dies
        self.written: list[Path] = []
        self.renamed: dict[Path, tuple[Path, bytes]] = {}


def _whole(watch: _Watch) -> None:
    """Check that no file was half, for however short a while, under the name that it has in the end."""
    for path, (before, held) in watch.renamed.items():
        if watch.folder not in before.parents:
            raise NotYet("elsewhere", name=before.name)
        if path.exists() and path.read_bytes() != held:
            raise NotYet("renamed_early", name=path.name, n=len(held))
    if direct := [path.name for path in watch.written if path.exists()]:
        raise NotYet("not_whole", name=direct[0])


_watching: list[_Watch] = []  # an audit hook cannot be taken away again


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _watching or event not in ("open", "os.rename") or not isinstance(args[0], str | os.PathLike):
        return
    watch, path = _watching[0], Path(os.fspath(args[event == "os.rename"])).absolute()
    if watch.folder not in path.parents:
        return
    if event == "os.rename":
        if watch.dies:
            raise _Killed
        before = Path(os.fspath(args[0])).absolute()
        watch.renamed[path] = before, before.read_bytes()
    elif isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        watch.written.append(path)


sys.addaudithook(_audit)


@contextmanager
def _watched(folder: Path, *, dies: bool = False) -> Iterator[_Watch]:
    _watching[:] = [_Watch(folder, dies)]
    try:
        yield _watching[0]
    except _Killed:
        pass
    finally:
        _watching.clear()


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
        with _watched(folder) as watch:
            book(folder, "a", 3.5)
            book(folder, "b", 2.0)
        names = {path.name for path in folder.iterdir()}
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
        _whole(watch)
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
        with _watched(folder) as watch:
            kept.save(key, value)
        if kept.load(key) != value:
            raise NotYet("another_value", found=str(kept.load(key)))
        if checkpoint(folder).load(key) != value:
            raise NotYet("in_memory")
        if kept.load("forest-60#1_3") is not None or kept.load("forest-60#2/3") is not None:
            raise NotYet("one_for_all")
        _whole(watch)
        with _watched(folder, dies=True):
            kept.save(key, {"auc": 0.5})
        if _fails(lambda: checkpoint(folder).load(key)) or checkpoint(folder).load(key) != value:
            raise NotYet("old_one_lost")
        if _fails(lambda: kept.save(key, {"auc": 0.5})) or checkpoint(folder).load(key) != {"auc": 0.5}:
            raise NotYet("stuck")
