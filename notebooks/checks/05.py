"""Checks of notebook 05: pools and threads that note what is asked of them; no clock on the wall decides."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

from labkit.classroom.exercises import NotYet


class _Pool(ThreadPoolExecutor):
    """A pool that notes in which order it was asked for what."""

    made: ClassVar[list[_Pool]]
    asked: ClassVar[threading.Event]  # that some result, or the end, was waited for

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds: list[str] = []
        self.functions: list[Any] = []
        self.made.append(self)

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.kinds.append("submit")
        self.functions.append(args[0])
        future, kinds = super().submit(*args, **kwargs), self.kinds
        fetch = future.result

        def result(timeout: float | None = None) -> Any:
            kinds.append("result")
            self.asked.set()
            return fetch(timeout)

        future.result = result  # type: ignore[method-assign]
        return future

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        self.asked.set()
        super().shutdown(*args, **kwargs)

    @property
    def closed(self) -> bool:
        return bool(self._shutdown)


def check_1(run_all: Any) -> None:
    """Check that one pool of the asked size got all tasks before it was asked for a result, and was closed."""

    class Pool(_Pool):
        made: ClassVar[list[_Pool]] = []
        asked = threading.Event()

    threads: set[int] = set()

    def work(value: int) -> int:
        threads.add(threading.get_ident())
        if value == 1:  # so that whoever takes results as they come gets this one later
            Pool.asked.wait(1.5)
        return 10 * value

    tasks = [(work, value) for value in range(1, 7)]
    try:
        found = run_all(tasks, 2, Pool)
        pools = Pool.made
        if isinstance(found, list) and any(isinstance(value, Future) for value in found):
            raise NotYet("futures")
        if not isinstance(found, list) or sorted(map(str, found)) != sorted(str(10 * value) for _, value in tasks):
            raise NotYet("incomplete", n=len(tasks))
        if found != [10 * value for _, value in tasks]:
            raise NotYet("order_of_arrival", found=found)
        if not pools or threading.get_ident() in threads:
            raise NotYet("no_pool")
        if len(pools) > 1:
            raise NotYet("a_pool_each", n=len(pools))
        if pools[0]._max_workers != 2:
            raise NotYet("workers", n=pools[0]._max_workers)
        kinds = pools[0].kinds
        if "result" in kinds and "submit" in kinds[kinds.index("result") :]:
            raise NotYet("waits_between", n=kinds.index("result"))
        if not pools[0].closed:
            raise NotYet("left_open")
        if any(function is not work for function in pools[0].functions):
            raise NotYet("wrapped")
    finally:
        for pool in Pool.made:
            pool.shutdown(wait=True)


def check_3(time_threads: Any) -> None:
    """Check that threads run at once, and that CPU time is that of the threads that work."""
    n_threads, sleeping_s, burnt_s = 3, 0.1, 0.02
    begun, ended, ran, meeting = [], [], set(), threading.Barrier(n_threads)
    caller = threading.current_thread()

    def sleep() -> None:
        begun.append(1)
        time.sleep(sleeping_s)
        ended.append(1)

    def meet() -> None:
        if threading.current_thread() is not caller:
            ran.add(threading.current_thread())
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(2.0)

    def burn() -> None:
        since = time.thread_time()
        while time.thread_time() - since < burnt_s:
            pass

    slept = time_threads(sleep, n_threads)
    if not isinstance(slept, tuple) or len(slept) != 2:
        raise NotYet("shape")
    if len(ended) < len(begun):
        raise NotYet("not_waited", found=float(slept[0]), right=sleeping_s)
    if slept[0] < sleeping_s:
        raise NotYet("stood_still", found=float(slept[0]), right=sleeping_s)
    time_threads(meet, n_threads)
    if len(ran) != n_threads:
        raise NotYet("not_so_many", n=len(ran), right=n_threads)
    if meeting.broken:
        raise NotYet("not_at_once", n=n_threads)
    if slept[1] > sleeping_s / 2:
        raise NotYet("wall_for_cpu", found=float(slept[1]))
    others_s, burnt_elsewhere = 0.2, threading.Event()

    def burn_elsewhere() -> None:
        while time.thread_time() < others_s:
            pass
        burnt_elsewhere.set()

    elsewhere = threading.Thread(target=burn_elsewhere)
    first = threading.Lock()

    def wait() -> None:
        if first.acquire(blocking=False):
            elsewhere.start()
        burnt_elsewhere.wait()

    beside = float(time_threads(wait, n_threads)[1])
    elsewhere.join()
    if beside > others_s / 2:
        raise NotYet("cpu_of_all", found=beside, right=others_s)
    burnt = float(time_threads(burn, n_threads)[1])
    if burnt < (n_threads - 0.5) * burnt_s:
        least_s = n_threads * burnt_s
        raise NotYet("cpu_of_the_caller" if burnt < burnt_s / 2 else "cpu_of_one", found=burnt, right=least_s)


# (wall_s, cpu_s) of one thread alone, then of two at once: CPU time over wall time tells what became of the lock.
_WORKS = {
    "held": ((1.0, 1.0), (2.02, 2.0)),
    "free": ((1.0, 1.0), (1.03, 2.0)),
    "loaded": ((1.0, 0.98), (2.6, 1.98)),
    "waiting": ((1.0, 0.01), (1.0, 0.02)),
    "contended": ((1.0, 1.0), (1.7, 3.3)),
}


def check_4(engine_for: Any) -> None:
    """Check a decision by its logic, on figures that no clock made."""
    found = {name: engine_for(*pairs) for name, pairs in _WORKS.items()}
    if others := [value for value in found.values() if value not in ("threads", "processes")]:
        raise NotYet("neither", found=str(others[0]))
    if len(set(found.values())) == 1:
        raise NotYet("always", found=found["held"])
    if found["held"] == "threads" or found["loaded"] == "threads":
        raise NotYet("lock_held")
    if found["free"] == "processes":
        raise NotYet("lock_free")
    if found["waiting"] == "processes":
        raise NotYet("waiting")
    if found["contended"] == "processes":
        raise NotYet("speedup_alone")
    for scale in (1e-3, 1e3):
        for name, pairs in _WORKS.items():
            if engine_for(*((scale * wall_s, scale * cpu_s) for wall_s, cpu_s in pairs)) != found[name]:
                raise NotYet("seconds_matter", scale="1000" if scale > 1 else "1/1000")


def check_2(n_together: Any) -> None:
    """Check the arithmetic on cases far from where a whole number changes, and where no overhead is left."""

    def batch(overhead_s: float, task_s: float, share: float) -> float:
        return overhead_s * (1 - share) / share / task_s

    cases = [(0.001, 0.00023, 0.1), (0.0053, 0.001, 0.25), (0.01, 0.0003, 0.05), (0.0005, 0.2, 0.1)]
    right = [max(1, math.ceil(batch(*case))) for case in cases]
    found, given = [n_together(*case) for case in cases], _call(*cases[0])
    if any(isinstance(value, bool) or not isinstance(value, int) for value in found):
        raise NotYet("not_whole", found=found[0], given=given)
    for case, value in zip(cases, found, strict=True):
        if value < 1:
            raise NotYet("below_one", found=value, given=_call(*case))
    if found == [max(1, math.ceil(overhead_s / share / task_s)) for overhead_s, task_s, share in cases]:
        raise NotYet("of_the_task", found=found[0], right=right[0], given=given)
    if found == [max(1, math.floor(batch(*case))) for case in cases]:
        raise NotYet("rounded_down", found=found[1], right=right[1], given=_call(*cases[1]))
    if found == [max(1, math.ceil(batch(*case[:2], case[2] / 100))) for case in cases]:
        raise NotYet("percent", share=cases[0][2])
    for case, value, expected in zip(cases, found, right, strict=True):
        if value != expected:
            raise NotYet("wrong", found=value, right=expected, given=_call(*case))
    free = (0.0, 0.001, 0.1)
    if (value := n_together(*free)) != 1:
        raise NotYet("below_one" if value < 1 else "wrong", found=value, right=1, given=_call(*free))


def _call(overhead_s: float, task_s: float, share: float) -> str:
    return f"`n_together({overhead_s}, {task_s}, {share})`"
