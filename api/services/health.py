"""Health: whether the server lives, and whether all that it needs is there. Both are open to everybody, states only.

And who asks, which needs a token.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.deps import PROBLEMS, Context, ContextDep
from api.problems import lacking
from labkit.errors import LabError, NotEnoughDisk
from labkit.parallel.cluster import check_answers
from labkit.parallel.head import find_head

router = APIRouter(tags=["health"])
_LEAST_DISK_BYTES = 200_000_000
_PATIENCE_S = 2.0
_REASONS = {
    "database": "the database cannot be read", "cluster": "no Ray cluster answers",
    "model": "no model is promoted, or it cannot be loaded", "disk": "too little is left, or none can be written",
}  # fmt: skip
_LOG = logging.getLogger("labkit.api")


class Alive(BaseModel):
    """That the server answers."""

    status: Literal["alive"] = "alive"


class Part(BaseModel):
    """One thing that the services need."""

    name: str = Field(examples=["database"])
    ready: bool
    latency_ms: float
    reason: str | None = Field(None, description="Why it is not ready.")


class Readiness(BaseModel):
    """Whether all parts are ready."""

    ready: bool
    parts: list[Part]


class Session(BaseModel):
    """Who asks, and what this server has for them."""

    name: str = Field(description="What the token is for.")
    scopes: list[str] = Field(description="Of read, predict and operate.")
    expires: str | None = Field(description="UTC; null for never.")
    services: list[str]
    lab_mode: bool = Field(description="Whether actors may be killed.")
    lang: str
    jupyter: str | None = Field(
        description="Where JupyterLab is, if beside this server; a path is one of this server's."
    )


@router.get("/session", responses=PROBLEMS)
async def read_session(
    request: Request,
    context: ContextDep,
    scope: Annotated[Literal["read", "predict", "operate"] | None, Query(description="One that it must have.")] = None,
) -> Session:
    """Say what the token that is sent may do, and which services there are; a proxy asks here whom to let pass."""
    token, settings = request.state.token, context.settings
    if scope is not None and scope not in token.scopes:
        raise lacking(scope, token.scopes)
    return Session(
        name=token.name, scopes=list(token.scopes), expires=token.expires, services=list(settings.services),
        lab_mode=settings.lab_mode, lang=context.lab.settings.lang, jupyter=settings.jupyter,
    )  # fmt: skip


@router.get("/health")
async def read_health() -> Alive:
    """Say that the server is alive."""
    return Alive()


@router.get("/health/ready", responses={503: {"model": Readiness, "description": "Something is not ready."}})
async def read_readiness(context: ContextDep, response: Response) -> Readiness:
    """Say of database, cluster, model and disk whether they are ready, how long they took to say so, and why not."""
    asked: dict[str, Callable[[Context], object]] = {
        "database": lambda at: at.lab.runs.list(limit=1),
        "cluster": _cluster,
        "model": lambda at: at.predictor.served,
        "disk": _disk,
    }
    parts = await asyncio.gather(*(_part(context, name, ask) for name, ask in asked.items()))
    ready = all(part.ready for part in parts)
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, parts=list(parts))


async def _part(context: Context, name: str, ask: Callable[[Context], object]) -> Part:
    begun, reason = time.perf_counter(), None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.to_thread(ask, context)
    except TimeoutError:
        reason = f"no answer within {_PATIENCE_S:.0f} s"
    except Exception as fault:
        # This is open to everybody, and the error's own words name folders and addresses: they go to the log.
        _LOG.warning("%s is not ready: %s", name, fault)
        reason = _REASONS[name]
    return Part(name=name, ready=reason is None, latency_ms=1e3 * (time.perf_counter() - begun), reason=reason)


def _cluster(context: Context) -> None:
    head, named = find_head(context.lab.folder), context.lab.settings.ray_address
    if named is None and head is None:
        raise LabError("none runs")
    check_answers(named or (head.address if head else ""))


def _disk(context: Context) -> None:
    context.lab.folder.ensure()
    if shutil.disk_usage(context.lab.folder.root).free < _LEAST_DISK_BYTES:
        raise NotEnoughDisk("too little disk is left")
