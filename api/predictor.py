"""The promoted model, kept warm: requests that arrive together are computed together, a promotion swaps it whole."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from api.problems import Problem
from api.rows import RowEncoder
from labkit.errors import LabError, UnknownName
from labkit.learning.compiled import CompiledEnsemble, compile_ensemble
from labkit.learning.ensemble import Ensemble
from labkit.store.models import ModelStore

LATE_FROM = 0.5  # a flight is called late from this probability on
CROSSOVER_ROWS = 256  # from so many rows on scikit-learn is as fast as the compiled members, and frees the interpreter
PROMOTED_EVERY_S = 1.0  # how often the database is asked which model is promoted
_AT_ONCE = 64  # requests computed on the event loop's own thread in one go


@dataclasses.dataclass(frozen=True, eq=False)
class Served:
    """A model that answers: its id, the members in both forms, and what encodes flights for it."""

    id: str
    version: str
    scores: Mapping[str, Any]
    ensemble: Ensemble
    compiled: CompiledEnsemble
    rows: RowEncoder

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of being late for features, by whichever form is sooner."""
        return (self.compiled if len(X) < CROSSOVER_ROWS else self.ensemble).predict_proba(X)


@dataclasses.dataclass(eq=False)
class Answer:
    """What is said of the flights of one request, by one model."""

    served: Served
    probability: np.ndarray
    imputed: list[list[str]]


class Predictor:
    """Answers with the promoted model.

    Parameters
    ----------
    models : ModelStore
    """

    def __init__(self, models: ModelStore) -> None:
        self._models = models
        self._served: Served | None = None
        self._reason = "no model was looked for yet"
        self._waiting: list[tuple[Sequence[Mapping[str, Any]], asyncio.Future[Answer]]] = []
        self._large = asyncio.Semaphore(1)

    @property
    def served(self) -> Served:
        """The model that answers now.

        Raises
        ------
        Problem
            If there is none, with the reason.
        """
        if self._served is None:
            raise Problem(503, "no-model", f"No model can answer: {self._reason}.")
        return self._served

    def refresh(self) -> None:
        """Load the promoted model if it is another one than is served, which answers until the new one is warm."""
        try:
            record = self._models.get()
        except UnknownName:
            self._served, self._reason = None, "none is trained yet (labkit train, or POST /train)"
            return
        except LabError as fault:  # a database that is gone or locked for a while: what is loaded still answers
            self._reason = str(fault)
            return
        if self._served is not None and self._served.id == record.id:
            return
        try:
            self._served = load(self._models, record.id)
            settle()
        except LabError as fault:
            self._reason = str(fault).rstrip(".")
            self._served = None

    async def follow(self) -> None:
        """Follow promotions, for as long as the server runs."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(PROMOTED_EVERY_S)

    async def predict(self, flights: Sequence[Mapping[str, Any]]) -> Answer:
        """Return what the promoted model says of flights."""
        if len(flights) >= CROSSOVER_ROWS:
            served = self.served
            async with self._large:
                return await asyncio.to_thread(_answer, served, flights)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:  # one turn later than could be: what has come in by then is computed along with it
            loop.call_soon(loop.call_soon, self._flush)
        self._waiting.append((flights, future))
        return await future

    def _flush(self) -> None:
        """Compute what has come in since the last turn of the event loop, as one table."""
        waiting, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        try:
            answer = _answer(self.served, [flight for flights, _ in waiting for flight in flights])
        except Exception as fault:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(fault)
            return
        begin = 0
        for flights, future in waiting:
            end = begin + len(flights)
            if not future.done():  # whoever asked may have left
                future.set_result(Answer(answer.served, answer.probability[begin:end], answer.imputed[begin:end]))
            begin = end


def settle() -> None:
    """Tell the garbage collector that what is there stays.

    Else it walks through models and libraries again and again while it looks for the little that requests leave: up to
    0.3 s at a time, two thirds of all time under load.
    """
    gc.enable()  # which it is not while a server loads its libraries
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def load(models: ModelStore, model_id: str) -> Served:
    """Load a model, compile it and let it answer once, so that its first request is as fast as any.

    Raises
    ------
    LabError
        If its file cannot be read, or it is of data other than flights.
    """
    record = models.get(model_id)
    ensemble, encoder = models.load(record.id)
    rows = RowEncoder(encoder)
    served = Served(record.id, record.run_id, record.scores, ensemble, compile_ensemble(ensemble), rows)
    blank = np.full((1, len(ensemble.feature_names)), np.nan, np.float32)
    served.compiled.predict_proba(blank)
    ensemble.predict_proba(blank)
    return served


def explain(served: Served, flight: Mapping[str, Any], typical: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how the answer moves when each field that was given is set to its typical value, the largest move first.

    Parameters
    ----------
    flight : mapping
        As checked by the schema.
    typical : mapping
        A value a field: the median, or the most frequent.

    Returns
    -------
    list of dict
        field, value, typical, and change: the probability as given minus that with the typical value.
    """
    asked = [name for name in flight if flight[name] is not None and name in typical]
    X, _ = served.rows.encode([flight, *({**flight, name: typical[name]} for name in asked)])
    first, *others = map(float, served.compiled.predict_proba(X))
    moves = [
        {"field": name, "value": flight[name], "typical": typical[name], "change": first - other}
        for name, other in zip(asked, others, strict=True)
    ]
    return sorted(moves, key=lambda move: -abs(float(move["change"])))


def _answer(served: Served, flights: Sequence[Mapping[str, Any]]) -> Answer:
    X, imputed = served.rows.encode(flights)
    return Answer(served, served.probabilities(X), imputed)
