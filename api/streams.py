"""Server-sent events of runs: progress, tasks and the end, resumable where a client was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.sse import ServerSentEvent

from api.deps import Context
from labkit.store.runs import ENDED, Run

PERIOD_S = 0.5


async def every(context: Context, period_s: float) -> AsyncIterator[None]:
    """Yield at once and then again and again, until the server ends."""
    while not context.stopping.is_set():
        yield
        try:
            async with asyncio.timeout(period_s):
                await context.stopping.wait()
        except TimeoutError:
            continue


async def run_events(context: Context, run_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """Yield what happens to a run: `state` when it changes, `task` for each event, and last `end`.

    Parameters
    ----------
    after : int
        The number of task events that the client has already.
    """
    runs, told, seen = context.lab.runs, None, after
    async for _ in every(context, PERIOD_S):
        run = await asyncio.to_thread(runs.get, run_id)
        for event in await asyncio.to_thread(runs.events, run.id, seen):
            seen += 1
            yield ServerSentEvent(event="task", id=str(seen), data=event)
        state = state_of(run)
        if state != told:
            told = state
            yield ServerSentEvent(event="state", id=str(seen), data=state)
        if run.status in ENDED:
            yield ServerSentEvent(event="end", id=str(seen), data={"status": run.status})
            return


def state_of(run: Run) -> dict[str, Any]:
    """Return what changes of a run while it goes on."""
    return {
        "id": run.id, "status": run.status, "progress": run.progress, "error": run.error,
        "waits_for": run.results.get("waits_for") if run.status == "waiting" else None,
    }  # fmt: skip


def last_event(given: str | None) -> int:
    """Return the number that a client gives as `Last-Event-ID`; 0 where it makes no sense."""
    return int(given) if given is not None and given.isdecimal() and len(given) < 10 else 0
