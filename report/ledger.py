"""Every number of a report: where it comes from, how it is computed, how it is written.

A number enters the text by `Ledger.show`, which looks it up in a source (a run's record, the project's facts, labkit's
own constants), writes it as the language does and keeps an entry. The entries are the report's manifest: who holds the
same records computes each of them anew.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import statistics
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from labkit.classroom.text import number, percent, t
from labkit.errors import InvalidData
from labkit.scaling import laws
from labkit.scaling.benchmark import laws_of, rows_of
from labkit.scaling.fits import LawFit
from report.findings import last_linear, overhead_share

PROJECT, LABKIT, INPUT = "project", "labkit", "input"
_LONG_WORD = 24


@dataclasses.dataclass(frozen=True)
class Entry:
    """One number or name of the text.

    Parameters
    ----------
    source : str
        A run's id, "project" (facts of the clone's files), "labkit" (a constant) or "input" (what the author gave).
    how : str
        "at" (a path into the source) or the name of a computation.
    of : list of str or int
        The path, or what the computation takes beside the source.
    kind : str
        How it is written: "number", "percent", "bytes", "date", "time", "text", "list".
    digits : int
        After the decimal sign.
    shown : str
        As it stands in the text.
    """

    source: str
    how: str
    of: list[str | int]
    kind: str
    digits: int
    shown: str


class Ledger:
    """The entries of one report.

    Parameters
    ----------
    sources : mapping of str to Any
        Records by the run's id, and "project" and "input".
    lang : {"es", "en"}
        The reader's language.
    """

    def __init__(self, sources: Mapping[str, Any], lang: str) -> None:
        self.sources, self.lang = sources, lang
        self.entries: list[Entry] = []

    def show(
        self, source: str, *of: str | int, how: str = "at", kind: str = "number", digits: int = 2, code: bool = False
    ) -> str:
        """Return a number as Markdown that leads to its entry."""
        entry = entry_of(self.sources, self.lang, source, how, list(of), kind, digits)
        self.entries.append(entry)
        place = len(self.entries) - 1
        return f"[{escaped(entry.shown)}]{{e={place}{' .code' if code else ''}}}"

    def plain(self, source: str, *of: str | int, how: str = "at", kind: str = "number", digits: int = 2) -> str:
        """Return a number as plain text, for a picture's description; its entry is kept too."""
        self.entries.append(entry_of(self.sources, self.lang, source, how, list(of), kind, digits))
        return self.entries[-1].shown


def entry_of(
    sources: Mapping[str, Any], lang: str, source: str, how: str, of: list[str | int], kind: str, digits: int
) -> Entry:
    """Compute one entry from the sources.

    Raises
    ------
    InvalidData
        If the source is not there, or does not hold it.
    """
    value = computed(sources, source, how, of)
    return Entry(source, how, of, kind, digits, written(value, lang, kind, digits))


def computed(sources: Mapping[str, Any], source: str, how: str, of: list[str | int]) -> Any:
    """Return the value of an entry.

    Raises
    ------
    InvalidData
        If the source is not there, or does not hold it.
    """
    try:
        return _constant(str(of[0])) if source == LABKIT else _COMPUTED[how](sources[source], *of)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ImportError) as fault:
        raise InvalidData(
            f"{source} does not hold {how} {'/'.join(map(str, of))}: {type(fault).__name__}: {fault}"
        ) from fault


def written(value: Any, lang: str, kind: str, digits: int) -> str:
    r"""Return a value as a language writes it; what was not measured says so.

    Examples
    --------
    >>> written(1.756, "es", "number", 2), written(0.5, "es", "percent", 0), written(None, "en", "number", 2)
    ('1,76', '50\xa0%', 'not measured')
    >>> written("2026-11-28T13:40:49.123+00:00", "es", "date", 0)
    '28 de noviembre de 2026'
    """
    if value is None:
        return t("bottleneck.unmeasured", lang)
    if kind == "number":
        return number(float(value), lang, digits).replace("-", "\N{MINUS SIGN}")
    if kind == "percent":
        return percent(float(value), lang, digits).replace("-", "\N{MINUS SIGN}")
    if kind == "bytes":
        scale, unit = next(((s, u) for s, u in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if value >= s), (1, "B"))
        return f"{number(value / scale, lang, digits if scale > 1 else 0)}\N{NO-BREAK SPACE}{unit}"
    if kind in ("date", "time"):
        from babel.dates import format_date, format_time

        at = datetime.fromisoformat(value)
        day = format_date(at, "long", locale={"es": "es_ES", "en": "en_GB"}[lang])
        return day if kind == "date" else f"{day}, {format_time(at, 'HH:mm:ss', locale=lang)} UTC"
    if kind == "list":
        return ", ".join(map(str, value))
    return str(value)


def escaped(text: str) -> str:
    r"""Return any text so that Markdown shows it as it is, on one line.

    Control characters and marks that turn the direction of writing are left out; words longer than a line may break.

    Examples
    --------
    >>> escaped("<b> *a* | {{x}}")
    '\\<b\\> \\*a\\* \\| \\{\\{x\\}\\}'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", breakable(text))


def breakable(text: str) -> str:
    r"""Return a text on one line, without control characters, whose words may break where they are longer than a line.

    Examples
    --------
    >>> breakable("a\nb\x07"), breakable("x" * 60).count("\u200b")
    ('a b', 2)
    """
    spaced = "".join(" " if c in "\n\r\t" else c for c in str(text))
    kept = "".join(c for c in spaced if unicodedata.category(c) not in _OUT)
    words = [
        "\N{ZERO WIDTH SPACE}".join(word[at : at + _LONG_WORD] for at in range(0, len(word), _LONG_WORD))
        if len(word) > 2 * _LONG_WORD
        else word
        for word in re.split(" +", kept)
        if word
    ]
    return " ".join(words)


_OUT = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _at(source: Any, *path: str | int) -> Any:
    for part in path:
        source = source[part]
    return source


def _constant(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    if not module.startswith(("labkit.", "report.findings")):
        raise KeyError(name)
    return getattr(importlib.import_module(module), attribute)


def _karp_flatt(record: Any, engine: str, place: int) -> float:
    row = rows_of(record["results"], engine)[place]
    return laws.serial_fraction(row.sequential_s, row.sequential_s / row.speedup, row.n_workers)


def _law(record: Any, engine: str, name: str) -> LawFit:
    fit = next(law for law in laws_of(record["results"], engine) if law.law == name)
    if not isinstance(fit, LawFit):
        raise KeyError(name)
    return fit


def _best(record: Any, engine: str) -> Any:
    return max(rows_of(record["results"], engine), key=lambda row: row.speedup)


def _done(record: Any) -> list[dict[str, Any]]:
    return [event for event in record["events"] if event["error"] is None]


def _makespan(record: Any) -> float:
    return float(max(e["received_s"] for e in record["events"]) - min(e["submitted_s"] for e in record["events"]))


def _minutes(record: Any) -> float | None:
    if record["finished"] is None:
        return None
    return (datetime.fromisoformat(record["finished"]) - datetime.fromisoformat(record["created"])).total_seconds() / 60


def _fit_times(record: Any, task: str, what: str) -> float:
    event = next(event for event in _done(record) if event["task"] == task)
    if what == "seconds":
        return float(event["finished_s"] - event["started_s"])
    begun = min(each["submitted_s"] for each in record["events"])
    return float(event["received_s"] - begun)


def _command(record: Any) -> str:
    from report.tables import command_of

    return command_of(record)


_COMPUTED: dict[str, Callable[..., Any]] = {
    "at": _at,
    "count": lambda source, *path: len(_at(source, *path)),
    "sum": lambda source, *path: sum(_at(source, *path)),
    "most": lambda source, *path: max(_at(source, *path)),
    "names": lambda source, *path: ", ".join(map(str, _at(source, *path))),
    "head": lambda source, n, *path: str(_at(source, *path))[:n],
    "karp_flatt": _karp_flatt,
    "knee": lambda record, engine, law: _law(record, engine, law).knee(record["fingerprints"][0]["usable_cpus"]),
    "saturation": lambda record, engine, law: _law(record, engine, law).saturation(
        record["fingerprints"][0]["usable_cpus"]
    ),
    "ceiling": lambda record, engine: 1 / _law(record, engine, "amdahl").parameters["serial_fraction"],
    "best_speedup": lambda record, engine: _best(record, engine).speedup,
    "best_workers": lambda record, engine: _best(record, engine).n_workers,
    "linear_to": lambda record, engine: last_linear(rows_of(record["results"], engine)),
    "overhead_share": lambda record, engine, place: overhead_share(
        record["results"]["diagnoses"][engine][place]["shares"]
    ),
    "n_done": lambda record: len(_done(record)),
    "n_failed": lambda record: len(record["events"]) - len(_done(record)),
    "n_event_workers": lambda record: len({event["worker"] for event in _done(record)}),
    "makespan_s": _makespan,
    "minutes": _minutes,
    "task_name": lambda record, task: next(event["task"] for event in record["events"] if event["task"] == task),
    "command": _command,
    "task_s": lambda record: statistics.median(event["finished_s"] - event["started_s"] for event in _done(record)),
    "fit": _fit_times,
    "worst": lambda record, name: max(
        timing.get(name, 0.0) for timing in record["results"]["timings"] if timing["round"]
    ),
    "n_passes": lambda record: sum(1 for timing in record["results"]["timings"] if timing["round"]),
    "round_s": lambda record, subject, end: {"low": min, "high": max}[str(end)](
        timing["seconds"] for timing in record["results"]["timings"] if timing["subject"] == subject and timing["round"]
    ),
}  # fmt: skip
