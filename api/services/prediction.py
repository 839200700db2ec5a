"""Prediction: raw flights in, the probability of being late out; models listed, promoted and rolled back."""

from __future__ import annotations

import asyncio
import datetime
import functools
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from api.deps import PROBLEMS, Context, ContextDep, Limit, ModelsDep
from api.flights import names, weather_before
from api.predictor import LATE_FROM, explain, load
from api.problems import problem_of, problem_of_validation
from api.rows import EXAMPLE, FLIGHTS, KNOWN, REQUIRED, Flight, check_clocks
from labkit.data.flights import load_flights
from labkit.errors import UnknownName
from labkit.store.models import ModelRecord

router = APIRouter(tags=["prediction"], responses=PROBLEMS)
_ROUTE = types.SimpleNamespace(path="/predict")  # what the meters ask of a route
ModelId = Annotated[
    str, Path(max_length=64, pattern=r"^[\w-]+$", description="A model's id, its beginning, or `promoted`.")
]


class Prediction(BaseModel):
    """What the model says of one flight."""

    probability: float = Field(description="Of arriving 15 minutes late or more, 0–1.", examples=[0.31])
    label: str = Field(
        description=f'"late" from a probability of {LATE_FROM} on, else "on time".', examples=["on time"]
    )
    imputed: list[str] = Field(description="Fields that were left out: taken from the route, or missing to the model.")


class Move(BaseModel):
    """How the answer moves when one field is set to its typical value; no cause, and no sum of parts."""

    field: str
    value: Any
    typical: Any
    change: float = Field(description="Probability as given minus probability with the typical value.")


class Predictions(BaseModel):
    """All answers of a request, by one and the same model."""

    model: str = Field(examples=["m-3f2a91c4-cb06"])
    version: str = Field(description="The run that trained it.", examples=["20261125-110819-cb06"])
    predictions: list[Prediction]
    explanations: list[list[Move]] | None = None


class Model(BaseModel):
    """A trained ensemble."""

    id: str
    run_id: str = Field(description="The run that trained it: its parameters, data digest and events.")
    created: str = Field(description="UTC.")
    scores: dict[str, Any] = Field(description="On days never seen: ROC AUC, PR AUC, Brier, log loss, calibration.")
    n_bytes: int
    promoted: bool = Field(description="Whether it answers predictions.")


class ModelDetail(Model):
    """A trained ensemble with where it comes from."""

    data_digest: str
    parameters: dict[str, Any]
    weights: dict[str, float] = Field(description="Of the members' votes.")


class Field_(BaseModel):
    """A field of a flight."""

    name: str
    type: str
    unit: str
    meaning: str
    required: bool
    minimum: float | None
    maximum: float | None
    allowed: list[Any] | None


_REQUEST = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "array",
                "minItems": 1,
                "maxItems": 10_000,
                "items": {"$ref": "#/components/schemas/Flight"},
            },
            "example": [EXAMPLE],
        }
    },
}


@router.post(
    "/predict", response_model=Predictions, openapi_extra={"requestBody": _REQUEST},
    summary="Predict whether flights will be late",
)  # fmt: skip
async def predict(
    request: Request,
    context: ContextDep,
    explain: Annotated[bool, Query(description="Say how each field moves the answer; at most 20 flights.")] = False,
) -> Response:
    """Return the probability that each flight arrives 15 minutes late or more.

    Weather and plane may be left out, carriers and airports may be unknown. All answers of a request are of one model.
    """
    return Response(await _predict(context, await request.body(), explain), media_type="application/json")


class PlainPredictions:
    """ASGI middleware that answers `POST /predict` without a query by itself: half the time of a small request."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app, self._context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        plain = scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST"
        if not plain or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        try:
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message.get("body", b""), message.get("more_body", False)
            content = await _predict(self._context, body, False)
        except Exception as fault:
            await problem_of(fault).response()(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _predict(context: Context, body: bytes, explained: bool) -> bytes:
    try:
        flights = FLIGHTS.validate_json(body)
    except ValidationError as fault:
        raise problem_of_validation(fault.errors(include_url=False, include_context=False)) from fault
    check_clocks(flights)
    answer = await context.predictor.predict(flights)
    served, found = answer.served, answer.probability.tolist()
    content: dict[str, Any] = {
        "model": served.id,
        "version": served.version,
        "predictions": [
            {"probability": value, "label": "late" if value >= LATE_FROM else "on time", "imputed": imputed}
            for value, imputed in zip(found, answer.imputed, strict=True)
        ],
    }
    if explained:
        content["explanations"] = await asyncio.to_thread(_explained, served, flights[:20])
    context.meters.predicted(served.id, len(found))
    context.history.add(served.id, flights, found)
    return to_json(content)


def _explained(served: Any, flights: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    return [explain(served, flight, typical()) for flight in flights]


@functools.cache
def typical() -> dict[str, Any]:
    """Return a typical value of each field of the flights: the median of numbers, the most frequent of others."""
    flights = load_flights(60)
    found: dict[str, Any] = {}
    for column in KNOWN:
        if column.name in ("day", "flight", "tailnum"):
            continue  # which flight it is, rather than what it is like
        series = flights[column.name].drop_nulls()
        number = column.type in ("float", "int") and series.dtype != pl.String
        found[column.name] = series.median() if number else series.mode().sort()[0]
        if column.type == "int":
            found[column.name] = int(found[column.name])
    return found


@router.get("/models")
def list_models(models: ModelsDep, limit: Limit = 100) -> list[Model]:
    """List trained ensembles, the newest first."""
    return [Model.model_validate(record, from_attributes=True) for record in models.list()[:limit]]


@router.get("/models/{model_id}")
def read_model(model_id: ModelId, context: ContextDep) -> ModelDetail:
    """Show one ensemble: its scores and the data and the run that it comes from."""
    record = context.lab.models.get(model_id)
    run = context.lab.runs.get(record.run_id)
    return ModelDetail(
        **_shown(record), data_digest=run.data_digest, parameters=run.parameters, weights=run.results.get("weights", {})
    )


@router.post("/models/{model_id}/promote")
async def promote_model(model_id: ModelId, context: ContextDep) -> Model:
    """Let an ensemble answer predictions; it is loaded before, so that one that cannot answer is not promoted."""
    record = await asyncio.to_thread(_promote, context, model_id)
    return Model.model_validate(record, from_attributes=True)


@router.post("/models/rollback")
async def roll_back(context: ContextDep) -> Model:
    """Promote the ensemble that was promoted before the one that is now.

    Each call goes one promotion further back; where there is none, it is refused.
    """
    return Model.model_validate(await asyncio.to_thread(_roll_back, context), from_attributes=True)


def _promote(context: ContextDep, model_id: str, *, back: bool = False) -> ModelRecord:
    models = context.lab.models
    record = models.get(model_id)
    load(models, record.id)
    found = models.promote(record.id, back=back)
    context.predictor.refresh()
    return found


def _roll_back(context: ContextDep) -> ModelRecord:
    before = context.lab.models.before()
    if before is None:
        raise UnknownName("No other model was promoted before: there is nothing to go back to.")
    return _promote(context, before.id, back=True)


def _shown(record: ModelRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Model.model_fields}


@router.get("/schema")
def read_schema(lang: Annotated[str, Query(pattern="^(en|es)$")] = "en") -> list[Field_]:
    """List the fields of a flight, with units, bounds and meaning."""
    return [
        Field_(
            name=column.name, type=column.type, unit=column.unit,
            meaning=column.meaning_es if lang == "es" else column.meaning_en, required=column.name in REQUIRED,
            minimum=column.minimum, maximum=column.maximum, allowed=list(column.allowed) if column.allowed else None,
        )
        for column in KNOWN
    ]  # fmt: skip


@router.get("/flights/sample")
def sample_flights(
    n: Annotated[int, Query(ge=1, le=1000)] = 10, seed: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> list[Flight]:
    """Return real flights of 2013 as `POST /predict` takes them; the same seed gives the same ones."""
    fields = [column.name for column in KNOWN]
    rows = _flights().select(fields).sample(n, seed=seed)
    return [{name: value for name, value in row.items() if value is not None} for row in rows.iter_rows(named=True)]


class Names(BaseModel):
    """What codes stand for."""

    carriers: dict[str, str]
    airports: dict[str, str]


@router.get("/flights/names")
def read_names() -> Names:
    """List carriers and airports by code, each with its name."""
    return Names(**_names())


@functools.cache
def _names() -> dict[str, dict[str, str]]:
    return names()


@router.get("/flights/weather")
def read_weather(
    origin: Annotated[Literal["EWR", "JFK", "LGA"], Query(description="Where the flight leaves.")],
    day: Annotated[datetime.date, Query(description="Of 2013; other days have no weather.")],
    sched_dep_time: Annotated[int, Query(ge=0, le=2400, description="Scheduled time of departure, local (HHMM).")],
) -> dict[str, float]:
    """Show the weather that was observed in the hour before a departure, as `POST /predict` takes it."""
    return weather_before(origin, day, sched_dep_time) if 2 < day.year < 9999 else {}


@functools.cache
def _flights() -> pl.DataFrame:
    return load_flights(60)


class PastPrediction(BaseModel):
    """A prediction that was given."""

    id: int
    model: str
    created: str = Field(description="UTC.")
    flight: dict[str, Any]
    probability: float


@router.get("/predictions")
def list_predictions(context: ContextDep, limit: Limit = 100) -> list[PastPrediction]:
    """List predictions that were given, the newest first.

    The last 10,000 are kept; they are written about once a second, of more than 50 in a second the last.
    """
    return [PastPrediction(**found) for found in context.history.list(limit)]
