"""A user's own rows: what type each column is, which classes there are to predict, and rows that fit both."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import polars as pl

from labkit.data.features import MAX_CATEGORIES, Encoder
from labkit.data.source import RESERVED, Source, collect
from labkit.errors import InvalidArgument, InvalidData

TYPES = ("number", "boolean", "category", "date", "date-iso", "date-dmy", "date-mdy", "ignore")
MAX_CLASSES = 100
BLOCK, DRAW, LABEL = f"{RESERVED}block", f"{RESERVED}draw", f"{RESERVED}label"
_STORED = {"number": pl.Float64(), "boolean": pl.Boolean(), "category": pl.String(), "date": pl.Datetime("us")}
_MAX_COUNTED = 1_000_000  # categories of one column: all are in memory at once while they are counted
_N_BLOCKS, _N_FIRST = 1000, 10_000
_FORMS = {
    "iso": (r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}", "%Y-%m-%d", "YYYY-MM-DD"),
    "dmy": (r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", "%d-%m-%Y", "DD/MM/YYYY"),
    "mdy": (r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", "%m-%d-%Y", "MM/DD/YYYY"),
}
_YES, _NO = ("true", "t", "yes", "y", "sí", "si"), ("false", "f", "no", "n")


@dataclasses.dataclass(frozen=True)
class OwnColumn:
    """One column of a user's own rows.

    Parameters
    ----------
    type : {"number", "boolean", "category", "date", "ignore", "target"}
        What is ignored is left out.
    form : {"", "iso", "dmy", "mdy"}
        How dates are written.
    missing : float
        Share of rows, 0–1.
    distinct : int
        About how many values there are (HyperLogLog, off by some percent).
    note, fault : str
        What people should know, and why the column cannot be used as it is.
    """

    name: str
    type: str
    form: str = ""
    missing: float = 0.0
    distinct: int = 0
    note: str = ""
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """What shards and requests of a user's own data must look like.

    Parameters
    ----------
    columns : tuple of (str, str, str)
        Name, type and form of dates of each column that features are made of.
    target : str
        The column to predict.
    numeric_target : bool
        Are its labels numbers: is "1.0" the same as "1"?
    classes : tuple of str
        Its labels in order; a label's place is its number. Of two, probabilities are of the second.
    time_column : str, optional
        The date whose days are never cut in two.
    """

    target_code: ClassVar[str] = f"{RESERVED}target"
    columns: tuple[tuple[str, str, str], ...]
    target: str
    numeric_target: bool
    classes: tuple[str, ...]
    time_column: str | None = None

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Table:
        """Return what `dataclasses.asdict` took apart, and JSON kept."""
        columns = tuple((str(name), str(type_), str(form)) for name, type_, form in found["columns"])
        return cls(**{**found, "columns": columns, "classes": tuple(map(str, found["classes"]))})

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the features that are numbers: of a date its month, weekday, hour, and days since 1970.

        Of the time column there are no days: what comes later would lie beyond all that was learnt.
        """
        plain = tuple(name for name, type_, _ in self.columns if type_ in ("number", "boolean"))
        return (*plain, *self._date_parts())

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the columns that are categories."""
        return tuple(name for name, type_, _ in self.columns if type_ == "category")

    def clean(self, frame: pl.DataFrame, *, only_known: bool = False) -> pl.DataFrame:
        """Validate rows, of a shard or as they come, and derive what features need.

        Parameters
        ----------
        frame : polars.DataFrame
            Other columns are left out. NaN and infinite numbers count as missing.
        only_known : bool
            Rows to predict, without the target.

        Raises
        ------
        InvalidData
            If a column is missing, or holds what its type does not allow.
        """
        floats = pl.col(pl.Float32, pl.Float64)
        frame = frame.with_columns(pl.when(floats.is_finite()).then(floats))
        names = [name for name, _, _ in self.columns] + [self.target] * (not only_known)
        faults = [f"{name} is missing" for name in names if name not in frame.columns]
        if not faults:
            rows = frame.select(self.typed(frame.schema, only_known=only_known)).with_columns(**self._date_parts())
            kept = {**{name: name for name in names}, self.target: self.target_code}
            lost = {name: frame[name].count() - rows[kept[name]].count() for name in names}
            faults = [f"{name} has {n} values that do not fit its type or classes" for name, n in lost.items() if n]
        if faults:
            raise InvalidData(f"The rows do not fit the data that were prepared: {'; '.join(faults)}.")
        return rows

    def typed(self, schema: Mapping[str, pl.DataType], *, only_known: bool = False) -> list[pl.Expr]:
        """Return columns in their types, label and its number too, from any others; what does not fit is null."""
        found = [
            (
                pl.col(name) if schema[name] == _STORED[type_] else _parsed(pl.col(name).cast(pl.String), type_, form)
            ).alias(name)
            for name, type_, form in self.columns
        ]
        if only_known:
            return found
        label = label_of(self.target, self.numeric_target)
        numbers = label.replace_strict(self.classes, range(len(self.classes)), default=None, return_dtype=pl.UInt8)
        return [*found, label.alias(LABEL), numbers.alias(self.target_code)]

    def _date_parts(self) -> dict[str, pl.Expr]:
        parts: dict[str, pl.Expr] = {}
        for name in (name for name, type_, _ in self.columns if type_ == "date"):
            at = pl.col(name).dt
            found = {"month": at.month(), "weekday": at.weekday(), "hour": at.hour()}
            if name != self.time_column:
                found["days"] = at.epoch("us") / 86_400_000_000
            parts |= {f"{name}[{part}]": value for part, value in found.items()}
        return parts


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What is known of a source before any work on it.

    Parameters
    ----------
    source : Source
    table : Table
    columns : tuple of OwnColumn
        All, those left out too.
    n_rows, n_without_time : int
        Rows of the source, and of those with a target how many have no time.
    counts : dict of str to int
        Rows of each class that remain.
    """

    source: Source
    table: Table
    columns: tuple[OwnColumn, ...]
    n_rows: int
    n_without_time: int
    counts: dict[str, int]

    @property
    def n_used(self) -> int:
        """Rows that remain."""
        return sum(self.counts.values())

    def check(self) -> None:
        """Refuse columns that cannot be used as they are.

        Raises
        ------
        InvalidData
            With all their faults together.
        """
        faults = [f"{column.name} {column.fault}" for column in self.columns if column.fault]
        if not self.table.columns:
            faults.append("no column is left to learn from")
        features = [*self.table.numeric, *self.table.categorical]
        faults += [
            f"{name} is also what a feature made of a date is called"
            for name in set(features)
            if features.count(name) > 1
        ]
        if faults:
            raise InvalidData(
                f"{'; '.join(faults)}. Correct the source, or say what a column is by --types"
                f" 'NAME=TYPE,…': {', '.join(TYPES)}."
            )

    def rows(self) -> pl.LazyFrame:
        """Return the rows that remain, in their types, each with its block: a day, or rows of one hash of features."""
        table = self.table
        rows = self.source.rows.select(table.typed(self.source.rows.collect_schema()))
        if table.time_column:
            block = pl.col(table.time_column).dt.date()
        else:  # rows that are alike in all features have one hash, so no two of them come to stand on both sides
            block = (pl.struct(name for name, _, _ in table.columns).hash(0) % _N_BLOCKS).cast(pl.Int64)
        return rows.drop(table.target_code).with_columns(block.alias(BLOCK)).drop_nulls([LABEL, BLOCK])

    def summary(self) -> list[str]:
        """Say in a few lines what will be done with the source."""
        table, kinds = self.table, [type_ for _, type_, _ in self.table.columns]
        shares = [f"{label!r} {count / max(1, self.n_used):.1%}" for label, count in self.counts.items()]
        out = {"target": self.n_rows - self.n_used - self.n_without_time, table.time_column: self.n_without_time}
        split = f"whole days of {table.time_column}, the latest for test" if table.time_column else (
            f"{_N_BLOCKS} groups of rows, hashed by their features; days may part, unless --time-column is given"
        )  # fmt: skip
        return [
            f"Source: {self.source.kind}",
            f"Rows: {self.n_used:,} of {self.n_rows:,} used"
            + "".join(f", {n:,} without {name} left out" for name, n in out.items() if n),
            "Columns used: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)),
            f"Classes of {table.target}: {', '.join(shares[:10])}{' …' * (len(shares) > 10)}"
            + (f"; probabilities are of {table.classes[1]!r}" if len(shares) == 2 else ""),
            f"Split: by {split}",
            *(f"{'Left out' if c.type == 'ignore' else 'Note'}: {c.name} {c.note}" for c in self.columns if c.note),
            *(f"Note: {note}" for note in self.source.notes),
        ]


def inspect(
    source: Source, target: str, time_column: str | None = None, types: Mapping[str, str] | None = None
) -> Inspection:
    """Infer the types of all columns from all rows, and find the classes of the target.

    Parameters
    ----------
    source : Source
    target : str
        The column to predict.
    time_column : str, optional
        A date; rows of a day stay together, and later days judge what was learnt from earlier ones.
    types : mapping of str to str, optional
        Corrections, by column: number, boolean, category, date (or date-iso, date-dmy, date-mdy) or ignore.

    Raises
    ------
    InvalidArgument
        If there is no such column or type.
    InvalidData
        If the target is no set of 2 to 100 classes, or there are no rows.
    """
    names, types = source.rows.collect_schema().names(), types or {}
    for name in filter(None, (target, time_column, *types)):
        if name not in names:
            near = "".join(f"Did you mean {found!r}? " for found in difflib.get_close_matches(name, names, n=1))
            raise InvalidArgument(f"There is no column {name!r}. {near}There are: {', '.join(names)}.")
    if target in (time_column, *types) or not set(types.values()) <= set(TYPES):
        raise InvalidArgument(f"Columns other than the target are {', '.join(TYPES)}; not {types}.")
    _, first = _measured(source.rows.head(_N_FIRST), names, names)
    dated = [
        name for name in names if first[name]["date"] or not first[name]["filled"] or "date" in types.get(name, "")
    ]
    n_rows, measured = _measured(source.rows, names, dated)
    if not n_rows:
        raise InvalidData("There are column names and no rows below them: give a file that has rows.")
    columns = {name: _inferred(name, measured[name], n_rows, types.get(name, "")) for name in names}
    numeric = measured[target]["number"] == measured[target]["filled"]
    counts = _classes(source, columns[target], numeric)
    columns[target] = dataclasses.replace(columns[target], type="target", form="", note="", fault="")
    if time_column and (columns[time_column].type != "date" or columns[time_column].fault):
        fault = columns[time_column].fault or f"is {columns[time_column].type}, and the time column must be a date"
        columns[time_column], time_column = dataclasses.replace(columns[time_column], fault=fault), None
    used = tuple((c.name, c.type, c.form) for c in columns.values() if c.type not in ("target", "ignore"))
    table = Table(used, target, numeric, tuple(counts), time_column)
    found = Inspection(source, table, tuple(columns.values()), n_rows, 0, counts)
    if not time_column:
        return found
    timed = dict(collect(found.rows().group_by(LABEL).len()).iter_rows())
    n_without_time = found.n_used - sum(timed.values())
    return dataclasses.replace(
        found, counts={label: timed.get(label, 0) for label in counts}, n_without_time=n_without_time
    )


def fit_encoder(table: Table, rows: pl.LazyFrame) -> tuple[Encoder, list[str]]:
    """Learn the categories of training rows, column by column in batches; return what was grouped, for people, too."""
    categories, grouped, notes = {}, [], []
    for name in table.categorical:
        counted = collect(rows.select(name).drop_nulls().group_by(name).agg(pl.len().alias(BLOCK)))
        frequent = counted.sort(BLOCK, name, descending=[True, False])[name].to_list()
        if len(frequent) > MAX_CATEGORIES:
            grouped.append(name)
            notes.append(
                f"Note: {name} has {len(frequent):,} categories, models take {MAX_CATEGORIES}: the rare share one code"
            )
            frequent = frequent[: MAX_CATEGORIES - 1]
        categories[name] = tuple(sorted(frequent))
    return Encoder(table.numeric, categories, table, tuple(grouped)), notes


def label_of(target: str, numeric: bool) -> pl.Expr:
    """Return the target's labels as text; of numbers, whole ones without decimals."""
    text = pl.col(target).cast(pl.String)
    if not numeric:
        return text
    number = _parsed(text, "number", "")
    whole = number.cast(pl.Int64, strict=False)
    return pl.when(whole == number).then(whole.cast(pl.String)).otherwise(number.cast(pl.String))


def _measured(rows: pl.LazyFrame, names: Collection[str], dated: Collection[str]) -> tuple[int, dict[str, Any]]:
    """Return the number of rows, and of each column what inference wants to know, found in one pass over batches."""
    measures = [pl.struct(_measures(pl.col(name), name in dated)).alias(name) for name in names]
    n_rows, *found = collect(rows.select(pl.len().alias(BLOCK), *measures)).row(0)
    return n_rows, dict(zip(names, found, strict=True))


def _measures(text: pl.Expr, dated: bool) -> list[pl.Expr]:
    # Dates are dear to look for: only columns that hold one among their first values, or nothing yet, are asked.
    dates = {form: _parsed(text, "date", form).is_not_null() if dated else pl.lit(False) for form in _FORMS}
    number, some_date = text.str.strip_chars().cast(pl.Float64, strict=False), pl.any_horizontal(*dates.values())
    found = {
        "filled": text.count(),
        "distinct": text.approx_n_unique() - text.is_null().any().cast(pl.UInt32),
        "number": number.count(),
        "infinite": number.is_infinite().sum(),
        "boolean": _parsed(text, "boolean", "").count(),
        "date": some_date.sum(),
        "other": pl.when(number.is_null() & ~some_date).then(text).min(),
        **{form: fits.sum() for form, fits in dates.items()},
    }
    return [measure.alias(what) for what, measure in found.items()]


def _inferred(name: str, found: dict[str, Any], n_rows: int, asked: str) -> OwnColumn:
    """Return a column with its type: the one asked for, or the one that all its values fit."""
    filled, distinct = found["filled"], min(found["distinct"], found["filled"])
    type_, _, form = asked.partition("-")
    fits = [form for form in _FORMS if found[form] == filled]
    mixed = max(("number", "date"), key=found.__getitem__)

    def column(type_: str, note: str = "", fault: str = "") -> OwnColumn:
        return OwnColumn(name, type_, form if type_ == "date" else "", 1 - filled / n_rows, distinct, note, fault)

    if asked == "ignore" or not filled or (distinct == 1 and filled == n_rows and not asked):
        return column(
            "ignore", "as asked" if asked else "is the same in every row" if filled else "has no value at all"
        )
    if not asked:
        type_ = next((kind for kind in ("boolean", "number") if found[kind] == filled), "date" if fits else "category")
        if type_ == "category" and found["date"] == filled:
            each = ", ".join(f"{found[form]:,} fit {shown}" for form, (_, _, shown) in _FORMS.items() if found[form])
            return column("date", fault=f"mixes ways of writing dates ({each} of {filled:,})")
        if type_ == "category" and found[mixed] > filled / 2:
            what = f"{found[mixed]:,} values are a {mixed}, {filled - found[mixed]:,} are not"
            return column("category", fault=f"is mixed: {what}, such as {found['other']!r}")
        if type_ == "category" and distinct > max(20, 0.95 * filled):
            return column("ignore", "has another value in almost every row: an id, or free text")
    if type_ == "category" and distinct > _MAX_COUNTED:
        return column("ignore", f"has about {distinct:,} values, too many to count as categories")
    notes = []
    if type_ == "date" and not form:
        form = max(_FORMS, key=lambda form: int(found[form]))
        if fits == ["dmy", "mdy"]:
            notes.append(
                f"is read as DD/MM/YYYY, though MM/DD/YYYY fits as well: --types '{name}=date-mdy' reads it so"
            )
        elif form != "iso":
            notes.append(f"is written {_FORMS[form][2]}, as its values show")
    n_others = filled - found.get(form if type_ == "date" else type_, filled)
    if n_others == filled:
        return column(type_, fault=f"has no value that is a {type_}, all are like {found['other']!r}")
    if n_others:
        notes.append(f"has {n_others:,} values that are no {type_}: they count as missing")
    if type_ == "number" and found["infinite"]:
        notes.append(f"has {found['infinite']:,} infinite values: they count as missing")
    return column(type_, "; ".join(notes))


def _classes(source: Source, column: OwnColumn, numeric: bool) -> dict[str, int]:
    """Return the rows of each class, in the order of classes: of numbers, or of text."""
    target, counts = column.name, {}
    if column.distinct <= 2 * MAX_CLASSES:
        rows = source.rows.select(label_of(target, numeric).alias(LABEL)).drop_nulls().group_by(LABEL).len()
        counts = dict(sorted(collect(rows).iter_rows(), key=lambda pair: (float(pair[0]) if numeric else 0.0, pair[0])))
    if len(counts or "?" * column.distinct) > MAX_CLASSES:
        raise InvalidData(
            f"The target {target} has about {column.distinct:,} values: it looks like a number to estimate (regression)"
            f" or an id, and labkit learns classes. Name another column, or group it into {MAX_CLASSES} at most."
        )
    if len(counts) < 2:
        only = f"is {next(iter(counts))!r} in every row" if counts else "has no value at all"
        raise InvalidData(f"The target {target} {only}, so there is nothing to learn: name another column.")
    return counts


def _parsed(text: pl.Expr, type_: str, form: str) -> pl.Expr:
    """Read text as a type; what does not fit is null, an infinite number too."""
    if type_ == "number":
        number = text.str.strip_chars().cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number)
    if type_ == "boolean":
        word = text.str.to_lowercase()
        return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)
    if type_ == "category":
        return text
    # Dates with an optional time of day, to the minute, as it is written, whatever its zone.
    day, written, _ = _FORMS[form or "iso"]
    parts = [text.str.strip_chars().str.extract(rf"^({day})(?:[T ](\d{{1,2}}):(\d{{2}}).*)?$", n) for n in (1, 2, 3)]
    date = parts[0].str.replace_all("[/.]", "-").str.to_date(written, strict=False).cast(pl.Datetime("us"))
    hours, minutes = (part.cast(pl.Int64, strict=False).fill_null(0) for part in parts[1:])
    return date + pl.duration(hours=hours, minutes=minutes)
