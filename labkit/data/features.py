"""Rows become numbers: what a model sees of a flight."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import InvalidData

if TYPE_CHECKING:  # a process that only trains gets blocks, and need not load Polars
    import polars as pl

    from labkit.data.own import Table

NUMERIC = (
    "month", "dep_minute", "arr_minute", "distance", "dest_lat", "dest_lon", "dest_alt", "dest_tz",
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
    "plane_age", "seats",
)  # fmt: skip
CATEGORICAL = ("weekday", "carrier", "origin", "dest", "manufacturer")
MAX_CATEGORIES = 254  # histogram gradient boosting takes 255 at most


@dataclasses.dataclass(frozen=True)
class FeatureBlock:
    """Rows as a model takes them.

    Parameters
    ----------
    X : ndarray of float32, shape (n_rows, n_features)
        In C order; NaN where a value is missing or a category was not seen in training.
    y : ndarray of uint8, shape (n_rows,)
        1 for late, 0 for not, or the number of any other class; shape (0,) where the outcome is not known yet.
    names : tuple of str
        One a column of `X`.
    n_classes : int
        From 2 on, whether or not all of them occur in these rows.
    """

    X: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    n_classes: int = 2

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.X)

    def digest(self) -> str:
        """Return the SHA-256 of features and labels, in hexadecimal."""
        found = hashlib.sha256(np.ascontiguousarray(self.X).data)
        found.update(np.ascontiguousarray(self.y).data)
        return found.hexdigest()


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Turn cleaned rows into features, the same way in training and in prediction.

    Parameters
    ----------
    numeric : tuple of str
        Columns taken as they are.
    categories : dict of str to tuple of str
        For each categorical column its categories; a category's place is its code.
    table : Table, optional
        What a user's own rows are; None for flights.
    grouped : tuple of str
        Categorical columns of own data whose rare categories share one more code, those never seen too.
    """

    numeric: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    table: Table | None = None
    grouped: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls, frame: pl.DataFrame, numeric: tuple[str, ...] = NUMERIC, categorical: tuple[str, ...] = CATEGORICAL
    ) -> Encoder:
        """Learn the categories of cleaned training rows.

        Raises
        ------
        InvalidData
            If a column has more categories than models take.
        """
        categories = {name: tuple(frame[name].drop_nulls().unique().sort().to_list()) for name in categorical}
        for name, values in categories.items():
            if len(values) > MAX_CATEGORIES:
                raise InvalidData(
                    f"Column {name} has {len(values)} categories, models take at most {MAX_CATEGORIES}: "
                    "group the rare ones."
                )
        return cls(numeric, categories)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features: numeric ones first."""
        return (*self.numeric, *self.categories)

    @property
    def n_classes(self) -> int:
        """Number of classes: late and punctual, or those of the user's own target."""
        return 2 if self.table is None else len(self.table.classes)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Places of the features that are codes of categories."""
        return tuple(range(len(self.numeric), len(self.names)))

    def transform(self, frame: pl.DataFrame) -> FeatureBlock:
        """Return the features of cleaned rows.

        Parameters
        ----------
        frame : polars.DataFrame
            From `labkit.data.flights.clean` or `Table.clean`, with or without the target.

        Raises
        ------
        InvalidData
            If a column is missing.
        """
        import polars as pl

        from labkit.data.schema import TARGET

        target = TARGET if self.table is None else self.table.target_code
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise InvalidData(f"Features need the columns {', '.join(missing)}: clean the rows before encoding them.")
        numbers = [pl.col(name).cast(pl.Float32) for name in self.numeric]
        codes = [
            pl.col(name).replace_strict(
                [*values, None], [*range(len(values)), None], return_dtype=pl.Float32,
                default=float(len(values)) if name in self.grouped else None,
            )
            for name, values in self.categories.items()
        ]  # fmt: skip
        columns = frame.select(*numbers, *codes).fill_null(float("nan"))
        X = np.ascontiguousarray(columns.to_numpy(order="c"), dtype=np.float32)
        y = frame[target].to_numpy().astype(np.uint8) if target in frame.columns else np.empty(0, np.uint8)
        return FeatureBlock(X, y, self.names, self.n_classes)

    def to_json(self) -> str:
        """Return the encoder as JSON."""
        own = {"table": dataclasses.asdict(self.table), "grouped": self.grouped} if self.table else {}
        return json.dumps({"numeric": self.numeric, "categories": self.categories, **own})

    @classmethod
    def from_json(cls, text: str) -> Encoder:
        """Return the encoder that `to_json` wrote.

        Raises
        ------
        InvalidData
            If the text is no encoder.
        """
        try:
            found = json.loads(text)
            categories = {name: tuple(map(str, values)) for name, values in found["categories"].items()}
            numeric = tuple(map(str, found["numeric"]))
            if "table" not in found:
                return cls(numeric, categories)
            from labkit.data.own import Table

            return cls(numeric, categories, Table.from_dict(found["table"]), tuple(map(str, found["grouped"])))
        except (ValueError, TypeError, LookupError, AttributeError) as fault:
            raise InvalidData("This is not an encoder that labkit wrote: prepare the data again.") from fault
