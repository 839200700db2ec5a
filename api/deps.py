"""What handlers take, so that they read like sentences."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from labkit.lab import Lab
from labkit.store.models import ModelStore
from labkit.store.runs import RunStore

if TYPE_CHECKING:
    from api.history import History
    from api.jobs import Jobs
    from api.metrics import Host, Meters
    from api.predictor import Predictor
    from api.settings import Settings


@dataclasses.dataclass(eq=False)
class Context:
    """All that a server holds; `stopping` is set when it is to end, so that streams end too."""

    lab: Lab
    settings: Settings
    meters: Meters
    host: Host
    predictor: Predictor
    history: History
    jobs: Jobs
    stopping: asyncio.Event
    cluster_state: dict[str, Any] | None = None
    sample: dict[str, Any] = dataclasses.field(default_factory=dict)
    sampled_s: float = -math.inf  # when, by the monotonic clock
    followed_s: float = -math.inf  # when somebody who follows was last told
    sampling: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    samples: collections.deque[dict[str, Any]] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=720)
    )


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["/docs#problem-unknown-name"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What was needed, what was got, what to do next.")
    code: str = Field(description="What a program tells it by.", examples=["unknown-name"])
    field: str | None = Field(None, description="What in the request is at fault.")


async def context_of(request: Request) -> Context:
    """Return what the server holds."""
    return cast(Context, request.app.state.context)


async def _runs(context: ContextDep) -> RunStore:
    return context.lab.runs


async def _models(context: ContextDep) -> ModelStore:
    return context.lab.models


ContextDep = Annotated[Context, Depends(context_of)]
RunsDep = Annotated[RunStore, Depends(_runs)]
ModelsDep = Annotated[ModelStore, Depends(_models)]
RunId = Annotated[
    str, Path(max_length=64, pattern=r"^[0-9a-f-]+$", description="A run's id, or its beginning.", examples=["2026"])
]
LastEvent = Annotated[str | None, Header(max_length=40, description="Where to go on: the last event's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most, the newest first.")]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in (
        (401, "No token, or one that is not known."),
        (403, "A token without the scope that this needs."),
        (404, "No such thing."),
        (422, "The request does not fit."),
        (503, "The database, the cluster or the model is not there now."),
    )
}
