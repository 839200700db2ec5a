"""Training: asked for here, carried out by the cluster, followed by events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from api.deps import PROBLEMS, ContextDep, LastEvent, Limit, RunId, RunsDep
from api.problems import Problem
from api.services.runs import RunRecord, RunState, record_of, shown
from api.streams import last_event, run_events
from labkit import host
from labkit.errors import UnknownName
from labkit.learning.recipes import catalogue
from labkit.parallel.engines import check_workers
from labkit.store.runs import Run

router = APIRouter(tags=["training"], responses=PROBLEMS)
KIND = "training"


def _training(run_id: RunId, runs: RunsDep) -> Run:
    run = runs.get(run_id)
    if run.kind != KIND:
        raise UnknownName(f"Run {run.id} is no training: see /runs/{run.id}.")
    return run


TrainingDep = Annotated[Run, Depends(_training)]


class Training(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid")

    days: int | None = Field(30, ge=1, le=365, description="Days of 2013, spread over the year; null for all.")
    scale: int = Field(1, ge=1, le=1000, description="Bootstrap years to make of the training days.")
    recipes: list[str] | None = Field(None, min_length=1, max_length=50, description="Of `GET /recipes`; null for all.")
    engine: Literal["ray", "processes", "sequential"] = "ray"
    n_workers: int | None = Field(None, ge=1, le=1024, description="As many as usable CPUs by default.")
    by: Literal["model", "shard"] = Field("model", description="What is parallel.")


class Recipe(BaseModel):
    """A model of the catalogue."""

    name: str = Field(examples=["hgb-small"])
    family: str
    parameters: dict[str, object]


@router.post(
    "/train", status_code=202, responses={429: {"description": "Too many runs wait; Retry-After says for how long."}}
)
async def train(training: Training, context: ContextDep, response: Response) -> RunState:
    """Accept a training. It goes on whatever becomes of this server; `Location` is where to follow it."""
    try:
        recipes = [recipe.name for recipe in catalogue(training.recipes)]
    except UnknownName as fault:
        raise Problem(422, "unknown-name", str(fault), "recipes") from fault
    n_workers = training.n_workers or (1 if training.engine == "sequential" else host.usable_cpus())
    check_workers(n_workers)
    asked = training.model_dump() | {"recipes": recipes, "n_workers": n_workers}
    run = await asyncio.to_thread(context.jobs.submit, KIND, "ensemble", asked)
    response.headers["Location"] = f"/train/{run.id}"
    return RunState(**shown(run))


@router.get("/train")
def list_trainings(runs: RunsDep, limit: Limit = 50) -> list[RunState]:
    """List trainings, the newest first."""
    return [RunState(**shown(run)) for run in runs.list(KIND, limit=limit)]


@router.get("/train/{run_id}")
def read_training(run: TrainingDep, runs: RunsDep) -> RunRecord:
    """Show a training and what it came to."""
    return record_of(runs, run.id)


@router.get("/train/{run_id}/events", response_class=EventSourceResponse)
async def follow_training(
    run: TrainingDep, context: ContextDep, last_event_id: LastEvent = None
) -> AsyncIterator[ServerSentEvent]:
    """Follow a training: `state` when it changes, `task` for each fit, `end`. `Last-Event-ID` resumes."""
    async for event in run_events(context, run.id, last_event(last_event_id)):
        yield event


@router.delete("/train/{run_id}")
async def cancel_training(run: TrainingDep, context: ContextDep) -> RunState:
    """Cancel a training that waits or goes on; what it has finished is kept."""
    return RunState(**shown(await asyncio.to_thread(context.jobs.cancel, run)))


@router.get("/recipes")
def list_recipes() -> list[Recipe]:
    """List the catalogue of models."""
    return [
        Recipe(name=recipe.name, family=recipe.family, parameters=dict(recipe.parameters)) for recipe in catalogue()
    ]
