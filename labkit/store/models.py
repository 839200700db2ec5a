"""Trained ensembles: saved, promoted and loaded, without ever unpickling a file.

skops rebuilds objects from a file only if their types are on a list; this one names every type that the catalogue's
models are made of, and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import unittest.mock
from typing import Any

from sqlalchemy import select, update

from labkit.data.features import Encoder
from labkit.errors import InvalidData, UnknownName
from labkit.learning.ensemble import Ensemble
from labkit.store.artefacts import Artefacts, digest_of
from labkit.store.database import ModelRow, now, open_database, reading, writing

# What the catalogue's models are made of, besides plain values and arrays.
TRUSTED = (
    "functools.partial", "numpy.dtype",  # the function within a partial is judged by this list as well
    *(f"sklearn.{name}" for name in (
        "ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier", "_loss.link.LogitLink",
        "ensemble._hist_gradient_boosting.predictor.TreePredictor", "compose._column_transformer.ColumnTransformer",
        "preprocessing._function_transformer.FunctionTransformer", "linear_model._logistic.LogisticRegression",
        "ensemble._hist_gradient_boosting.binning._BinMapper", "ensemble._forest.RandomForestClassifier",
        "preprocessing._encoders.OrdinalEncoder", "ensemble._forest.ExtraTreesClassifier", "impute._base.SimpleImputer",
        "preprocessing._encoders.OneHotEncoder", "tree._classes.DecisionTreeClassifier", "utils.validation.check_array",
        "preprocessing._data.StandardScaler", "preprocessing._label.LabelEncoder", "tree._classes.ExtraTreeClassifier",
        "_loss.loss.HalfBinomialLoss", "_loss.link.Interval", "utils._bunch.Bunch", "pipeline.Pipeline",
        "tree._tree.Tree",
    )),
)  # fmt: skip
PROMOTED = "promoted"
_FILE = "ensemble.skops"


@dataclasses.dataclass(frozen=True)
class ModelRecord:
    """What is known of a trained ensemble without loading it."""

    id: str
    run_id: str
    created: str
    scores: dict[str, Any]
    n_bytes: int
    promoted: bool


class ModelStore:
    """All trained ensembles of a lab.

    Parameters
    ----------
    url : str
        The database.
    artefacts : str
        Where files go: a folder, or an fsspec URL.
    """

    def __init__(self, url: str, artefacts: str) -> None:
        self._engine, self._artefacts = open_database(url), Artefacts(artefacts)

    def save(self, ensemble: Ensemble, *, run_id: str, scores: dict[str, Any], encoder: Encoder) -> ModelRecord:
        """Keep an ensemble; the first of a lab is promoted at once."""
        content = model_to_bytes({
            "names": list(ensemble.names), "models": list(ensemble.models),
            "weights": list(map(float, ensemble.weights)),
            "categorical": list(ensemble.categorical),
            "feature_names": list(ensemble.feature_names),
            "encoder": encoder.to_json(),
        })  # fmt: skip
        model_id = f"m-{digest_of(content)[:8]}-{run_id[-4:]}"
        digest = self._artefacts.write(model_id, _FILE, content)
        with writing(self._engine) as session:
            first = session.scalars(select(ModelRow).limit(1)).first() is None
            kept = session.get(ModelRow, model_id)
            row = ModelRow(
                id=model_id, run_id=run_id, created=now(), scores=scores, artefact=_FILE, digest=digest,
                n_bytes=len(content), promoted=kept.promoted if kept else first,
                promoted_at=kept.promoted_at if kept else now() if first else None,
            )  # fmt: skip
            session.merge(row)
        return self.get(model_id)

    def load(self, model_id: str = PROMOTED) -> tuple[Ensemble, Encoder]:
        """Return an ensemble and the encoder of its features; the promoted one by default.

        Raises
        ------
        UnknownName
            If there is none.
        InvalidData
            If its file was changed, or holds a type that models are not made of.
        """
        with reading(self._engine) as session:
            row = session.get_one(ModelRow, self.get(model_id).id)
        found = model_from_bytes(self._artefacts.read(row.id, row.artefact, row.digest))
        encoder = Encoder.from_json(found["encoder"])
        ensemble = Ensemble(
            tuple(found["names"]), tuple(found["models"]), tuple(found["weights"]), tuple(found["categorical"]),
            tuple(found["feature_names"]), encoder.n_classes,
        )  # fmt: skip
        return ensemble, encoder

    def get(self, model_id: str = PROMOTED) -> ModelRecord:
        """Return a model's record by its id, the beginning of it, or "promoted"."""
        where = ModelRow.promoted if model_id == PROMOTED else ModelRow.id.startswith(model_id, autoescape=True)
        with reading(self._engine) as session:
            rows = session.scalars(select(ModelRow).where(where).limit(2)).all()
            if len(rows) != 1 or not model_id:
                raise UnknownName(f"There is no one model {model_id!r}. See: labkit models list")
            return _record(rows[0])

    def list(self) -> list[ModelRecord]:
        """Return all models, the newest first."""
        with reading(self._engine) as session:
            return [_record(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.created.desc()))]

    def promote(self, model_id: str, *, back: bool = False) -> ModelRecord:
        """Make a model the promoted one, in one step; `back` leaves the order of promotions as it is."""
        found = self.get(model_id)
        with writing(self._engine) as session:
            session.execute(update(ModelRow).values(promoted=ModelRow.id == found.id))
            if not back:
                session.execute(update(ModelRow).where(ModelRow.id == found.id).values(promoted_at=now()))
        return self.get(found.id)

    def before(self) -> ModelRecord | None:
        """Return the model that was promoted last before the one that is now; None if there is none."""
        with reading(self._engine) as session:
            now_promoted = select(ModelRow.promoted_at).where(ModelRow.promoted).scalar_subquery()
            query = select(ModelRow).where(~ModelRow.promoted, ModelRow.promoted_at < now_promoted)
            row = session.scalars(query.order_by(ModelRow.promoted_at.desc()).limit(1)).first()
            return None if row is None else _record(row)


def model_to_bytes(content: dict[str, Any]) -> bytes:
    """Return models and plain values as skops writes them."""
    return bytes(_skops().dumps(content))


def model_from_bytes(content: bytes) -> Any:
    """Return what `model_to_bytes` was given.

    Raises
    ------
    InvalidData
        If the bytes are no such file, or hold a type that models are not made of; nothing of it was run then.
    """
    skops_io = _skops()
    try:
        return skops_io.loads(content, trusted=list(TRUSTED))
    except skops_io.exceptions.UntrustedTypesFoundException as fault:
        types = ", ".join(sorted(set(re.findall(r"[\w.]+\.[\w]+", str(fault)))))
        raise InvalidData(f"The model file holds types that no model of labkit is made of: {types}.") from fault
    except Exception as fault:
        raise InvalidData(f"This is no model file of labkit: {type(fault).__name__}: {fault}") from fault


@functools.cache
def _skops() -> Any:
    """Import skops.io, which at its first import would import all of scikit-learn, and Dask, to trust each estimator.

    That is a second of each process that keeps or loads a model, and more trust than is needed: with no estimators to
    be found, skops trusts those of `TRUSTED` alone.
    """
    with unittest.mock.patch("sklearn.utils.all_estimators", tuple):
        import skops.io
    return skops.io


def _record(row: ModelRow) -> ModelRecord:
    return ModelRecord(**{field.name: getattr(row, field.name) for field in dataclasses.fields(ModelRecord)})
