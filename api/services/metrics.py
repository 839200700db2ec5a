"""Metrics: for Prometheus, live for people, the cluster as it is now, and the logs of all services and jobs."""

from __future__ import annotations

import asyncio
import collections
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.deps import PROBLEMS, Context, ContextDep
from api.predictor import settle
from api.problems import Problem
from api.streams import every
from labkit.errors import ClusterError, LabError, UnknownName
from labkit.parallel.cluster import actors, status

router = APIRouter(tags=["metrics"], responses=PROBLEMS)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # what Ray writes for terminals
_LINE = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_CLUSTER_S, _UNFOLLOWED = 2.0, 5  # how old the cluster's state may be; so many times as old where nobody follows
SAMPLE_S, KEPT_EVERY_S = 1.0, 5.0  # where somebody follows, and for the last hour
_MOST_LINES = 200
_LOG = logging.getLogger("labkit.api")
_TASKS = 500


def _logged(
    context: ContextDep,
    run: Annotated[str | None, Query(max_length=64, pattern=r"^[0-9a-f-]+$", description="Whose job's log.")] = None,
) -> str | None:
    return None if run is None else context.lab.runs.get(run).id


LoggedDep = Annotated[str | None, Depends(_logged)]


class Task(BaseModel):
    """One attempt at a task, with its four times in seconds of one clock."""

    run: str
    task: str
    worker: int
    node: str
    attempt: int
    submitted_s: float
    started_s: float
    finished_s: float
    received_s: float
    error: str | None


class Cluster(BaseModel):
    """The cluster now, and the last tasks of the newest run."""

    nodes: list[dict[str, Any]] = Field(description="Each with its CPUs and object store, and what is taken of them.")
    running: dict[str, int] = Field(description="Running tasks by name.")
    actors: list[dict[str, Any]]
    tasks: list[Task]


class Requests(BaseModel):
    """What was answered in the last 10 s; percentiles within 5 %, null where nothing was."""

    per_s: float
    errors_per_s: float = Field(description="Answers with status 5xx.")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Sample(BaseModel):
    """Host, requests, cluster and runs at one moment."""

    at: str = Field(description="UTC.")
    cpu: float = Field(description="Share in use, 0–1, as of memory and disk.")
    cores: list[float] = Field(description="The same of each CPU.")
    memory: float
    disk: float
    sent_bytes: float = Field(description="Over the network since the host started, as what was received.")
    received_bytes: float
    read_bytes: float = Field(description="From disks since the host started, as what was written.")
    written_bytes: float
    process_unique_bytes: float = Field(description="Memory of this server that no other process shares.")
    requests: Requests
    cluster: dict[str, Any] | None = Field(description="Nodes and running tasks; null where there is no cluster.")
    runs: list[dict[str, Any]] = Field(description="Runs that go on.")


class Killed(BaseModel):
    """An actor whose process was killed."""

    actor: str
    pid: int


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_metrics(context: ContextDep) -> Response:
    """Show all meters in Prometheus' text format."""
    await fresh(context, KEPT_EVERY_S)
    await asyncio.to_thread(_measure, context)
    return Response(generate_latest(context.meters.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/metrics/live", response_class=EventSourceResponse)
async def follow_metrics(context: ContextDep) -> AsyncIterator[ServerSentEvent]:
    """Follow host, requests, cluster and runs, a `sample` each second."""
    async for _ in every(context, SAMPLE_S):
        context.followed_s = time.monotonic()
        yield ServerSentEvent(event="sample", data=await fresh(context, SAMPLE_S))


@router.get("/metrics/history")
def read_history(context: ContextDep) -> list[Sample]:
    """Show the samples of the last hour, one every 5 s, the oldest first; fewer where the server began later."""
    return [Sample(**each) for each in list(context.samples)]


@router.get("/logs", response_class=EventSourceResponse)
async def follow_logs(
    context: ContextDep,
    run: LoggedDep,
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Query(description="The least level.")] = "DEBUG",
    service: Annotated[str | None, Query(max_length=40, pattern=r"^[\w.-]+$", description="A log's name.")] = None,
    follow: Annotated[bool, Query(description="Go on with what is written from now on.")] = True,
) -> AsyncIterator[ServerSentEvent]:
    """Follow the logs of all services, or of one run's job: a `line` each, the last 200 first."""
    least = LEVELS.index(level)
    read: dict[str, int] = {}
    async for _ in every(context, 1.0):
        if run:
            found = [("job", line) for line in await asyncio.to_thread(_job_lines, context, run, read)]
        else:
            found = await asyncio.to_thread(lambda: list(_fresh_lines(context.lab.folder.logs, service, read)))
        for name, written in found:
            line = _COLOURS.sub("", written)
            said = _LINE.search(line[:80])
            of_line = said.group(1).replace("CRITICAL", "ERROR") if said else "INFO"
            if LEVELS.index(of_line) >= least:
                yield ServerSentEvent(event="line", data={"service": name, "level": of_line, "text": line[:2000]})
        if not follow:
            return


@router.get("/cluster")
def read_cluster(context: ContextDep) -> Cluster:
    """Show nodes, resources, actors, running tasks, and the last tasks with their times: enough for a Gantt chart."""
    found = status(context.lab.folder, context.lab.settings.ray_address)
    if found is None:
        raise ClusterError("No Ray cluster answers. Start one: labkit cluster start")
    newest = next(iter(context.lab.runs.list(limit=1)), None)
    events = list(context.lab.runs.events(newest.id))[-_TASKS:] if newest else []
    tasks = [Task(run=newest.id, **{name: event[name] for name in _TASK}) for event in events if newest]
    return Cluster(**found, actors=actors(context.lab.folder, context.lab.settings.ray_address), tasks=tasks)


_TASK = tuple(name for name in Task.model_fields if name != "run")
laboratory = APIRouter(tags=["metrics"], responses=PROBLEMS)


@laboratory.post("/cluster/actors/{actor_id}/kill")
def kill_actor(actor_id: str, context: ContextDep) -> Killed:
    """Kill the process of an actor on this host, to see what becomes of its work. Only a lab has this."""
    found = [each for each in actors(context.lab.folder, context.lab.settings.ray_address) if each["actor"] == actor_id]
    if not found:
        raise UnknownName(f"No actor {actor_id[:40]!r} lives: see /cluster.")
    pid = int(found[0]["pid"])
    try:
        process = psutil.Process(pid)
        if not process.name().startswith("ray::"):
            raise Problem(409, "not-here", "This actor's process is not on this host.")
        process.kill()
    except psutil.NoSuchProcess:
        raise UnknownName(f"Actor {actor_id} has no process now: it is starting, or has just ended.") from None
    return Killed(actor=actor_id, pid=pid)


def _measure(context: Context) -> None:
    """Bring up to date what is measured only when somebody asks."""
    meters = context.meters
    meters.look_at_host(context.sample)
    meters.runs.clear()
    meters.progress.clear()
    for (kind, state), n in collections.Counter(
        (run.kind, run.status) for run in context.lab.runs.list(limit=1000)
    ).items():
        meters.runs.labels(kind, state).set(n)
    for run in context.lab.runs.list(status="running"):
        meters.progress.labels(run.id, run.kind).set(run.progress)
    found = context.cluster_state
    meters.nodes.set(len(found["nodes"]) if found else 0)
    meters.tasks.set(sum(found["running"].values()) if found else 0)
    meters.resources.clear()
    for node in found["nodes"] if found else ():
        for resource, total, used in (
            ("cpu", "cpus", "cpus_used"),
            ("object_store", "store_bytes", "store_used_bytes"),
        ):
            meters.resources.labels(node["node"], resource, "total").set(node[total])
            meters.resources.labels(node["node"], resource, "used").set(node[used])


async def watch(context: Context) -> None:
    """Keep a sample now and then, whether somebody follows or not."""
    while True:
        await fresh(context, SAMPLE_S)
        if context.sample not in list(context.samples)[-1:]:
            context.samples.append(context.sample)
        await asyncio.sleep(KEPT_EVERY_S)


async def fresh(context: Context, most_s: float) -> dict[str, Any]:
    """Return a sample that is not older than so many seconds: measured once, however many ask."""
    async with context.sampling:
        if time.monotonic() - context.sampled_s > 0.9 * most_s:
            await _look(context)
    return context.sample


async def _look(context: Context) -> None:
    host, runs = await asyncio.to_thread(context.host.now), context.sample.get("runs", [])
    try:
        going = await asyncio.to_thread(context.lab.runs.list, None, "running")
        runs = [{"id": run.id, "kind": run.kind, "name": run.name, "progress": run.progress} for run in going]
    except LabError as fault:  # a database that is gone for a while
        _LOG.warning("sample: %s", fault)
    context.sampled_s = time.monotonic()
    context.sample = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **host,
        "requests": context.meters.recent.summary(context.sampled_s), "cluster": context.cluster_state, "runs": runs,
    }  # fmt: skip


async def watch_cluster(context: Context) -> None:
    """Ask the cluster for its state now and then, since that takes longer than an answer may."""
    first = True
    while True:
        context.cluster_state = await asyncio.to_thread(status, context.lab.folder, context.lab.settings.ray_address)
        if first:
            first = False
            settle()  # Ray was just imported
        for _ in range(_UNFOLLOWED):
            await asyncio.sleep(_CLUSTER_S)
            if time.monotonic() - context.followed_s < 2 * _CLUSTER_S:
                break


def _fresh_lines(folder: Path, service: str | None, read: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the whole lines that were written to logs since the last call, at first the last of each."""
    for path in sorted(folder.glob("*.log")):
        if service is not None and path.stem != service:
            continue
        size, begin = path.stat().st_size, read.get(path.name)
        if begin is None or begin > size:
            begin = max(0, size - 100_000)
        with path.open("rb") as file:
            file.seek(begin)
            content = file.read(1_000_000)
        end = content.rfind(b"\n") + 1
        first, read[path.name] = path.name not in read, begin + end
        lines = content[:end].decode("utf-8", "replace").splitlines()
        for line in lines[-_MOST_LINES:] if first else lines:
            yield path.stem, line


def _job_lines(context: Context, run: str, read: dict[str, int]) -> list[str]:
    lines = context.jobs.log(run).splitlines()
    begin = read.get(run, max(0, len(lines) - _MOST_LINES))
    read[run] = len(lines)
    return lines[begin:]
