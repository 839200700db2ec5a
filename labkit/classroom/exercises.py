"""Exercises: a check that says right, not yet and why, or not attempted; hints; predictions before a measurement.

What is checked, and every text of it, lies beside the notebooks: `checks/01.py` and `checks/01.toml` for notebook 01.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import importlib.util
import inspect
import math
import operator
import string
import sys
import tomllib
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

from labkit.classroom.plots import markdown
from labkit.classroom.text import number, percent, t
from labkit.errors import InvalidArgument, UnknownName
from labkit.lab import Lab, current
from labkit.parallel.tasks import TaskEvent
from labkit.runner import ROOT

RIGHT, NOT_YET, NOT_ATTEMPTED, PREDICTED = "right", "not_yet", "not_attempted", "predicted"
VERDICT = "application/vnd.labkit.verdict+json"  # as which an executed notebook keeps it
_SIGNS = {RIGHT: "✔", NOT_YET: "✘", NOT_ATTEMPTED: "○", PREDICTED: "✔"}
_IDLE = {"RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP", "COPY_FREE_VARS"}


class NotYet(Exception):
    """What a check raises: the key of the reason, and what its text is filled in with."""

    def __init__(self, reason: str, **values: Any) -> None:
        super().__init__(reason)
        self.reason, self.values = reason, values


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check found: `state` is "right", "not_yet" or "not_attempted"; `reason` names the text behind it."""

    exercise: str
    state: str
    reason: str
    message: str

    @property
    def markdown(self) -> str:
        """The verdict as it is shown."""
        return f"{_SIGNS[self.state]} **{self.exercise}** {self.message}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        said = {"text/markdown": self.markdown, "text/plain": self.markdown, VERDICT: dataclasses.asdict(self)}
        if self.state == RIGHT or "ipykernel" not in sys.modules or "hints" not in _texts(self.exercise):
            return said
        from labkit.classroom.widgets import Checked  # in a notebook, a button gives the next hint

        return {**Checked(self)._repr_mimebundle_(), **said}


@dataclasses.dataclass
class Prediction:
    """A number said before it is measured."""

    key: str
    value: float | None

    def compare(self, measured: float, run: str | None = None) -> Verdict:
        """Return how far off the prediction was, and keep it.

        Parameters
        ----------
        measured : float
            In the same unit.
        run : str, optional
            Id of the run that measured it.
        """
        texts, lab = _texts(self.key), current()
        lang, unit = lab.settings.lang, texts.get("unit", "")
        digits = _digits(self.value or 0.0, measured)
        shown = {"quantity": texts["quantity"][lang], "measured": f"{number(measured, lang, digits)} {unit}".strip()}
        if self.value is None:
            return Verdict(self.key, NOT_ATTEMPTED, "unpredicted", t("exercise.unpredicted", lang, **shown))
        gap = (self.value - measured) / abs(measured) if measured else math.inf
        kept = {"predicted": self.value, "measured": measured, "gap": gap, "unit": unit, "run": run}
        earlier = lab.progress.list("prediction", self.key)[:1]
        lab.progress.keep(self.key, "prediction", kept)
        mine = f"{number(self.value, lang, digits)} {unit}".strip()
        shown |= {"predicted": mine, "gap": number(100 * abs(gap), lang, 0)}
        message = t(f"exercise.{'too_low' if gap < 0 else 'too_high' if gap else 'exact'}", lang, **shown)
        for first in earlier:  # whoever has measured predicts no more
            pair = {name: f"{number(first[name], lang, digits)} {unit}".strip() for name in ("predicted", "measured")}
            message += " " + t("exercise.first_stays", lang, **pair)
        return Verdict(self.key, RIGHT, "predicted", message)


@dataclasses.dataclass(frozen=True)
class Standing:
    """How far somebody is with one exercise or prediction.

    Parameters
    ----------
    exercise, title : str
        Its number, and what it is called or, of a prediction, which quantity was asked for.
    state : str
        The best that its checks ever found: "right", "not_yet" or "not_attempted"; "predicted" for a prediction.
    n_hints : int
        How many of its hints were read.
    predicted, measured, gap : float or None
        Of the first prediction, since whoever has measured predicts no more; the gap is a fraction of the measured.
    unit : str
        Of the numbers predicted and measured.
    """

    exercise: str
    title: str
    state: str
    n_hints: int = 0
    predicted: float | None = None
    measured: float | None = None
    gap: float | None = None
    unit: str = ""


def check(exercise: str, *attempt: Any) -> Verdict:
    """Say whether an exercise is right, not yet and why, or not attempted; what was attempted is kept.

    Parameters
    ----------
    exercise : str
        Its number, such as "1.2".
    *attempt
        What the exercise asked for: functions, classes or values.

    Raises
    ------
    UnknownName
        If there is no such exercise.
    """
    judge, lab = _judge(exercise), current()
    texts, lang = _texts(exercise), lab.settings.lang
    state = reason = NOT_ATTEMPTED
    values: Mapping[str, Any] = {}
    if len(attempt) != (n_asked := len(inspect.signature(judge).parameters)):
        reason, values = "arguments", {"exercise": exercise, "n": n_asked, "found": len(attempt)}
    elif not any(is_stub(value) for value in attempt):
        try:
            values, state, reason = judge(*attempt) or {}, RIGHT, "right"
        except NotYet as fault:
            values, state, reason = fault.values, NOT_YET, fault.reason
        except Exception as fault:
            state, reason = NOT_YET, "raised"
            last = str(fault).strip().splitlines()[-1:]
            values = {"error": type(fault).__name__, "text": "".join(last), "line": _line(fault)}
    if reason in ("not_attempted", "raised", "arguments"):
        message = t(f"exercise.{reason}", lang, **values).strip()
    else:
        written = texts["right"] if state == RIGHT else texts["not_yet"][reason]
        message = t(f"exercise.{state}", lang) + " " + _filled(written[lang], values, lang)
    if state != NOT_ATTEMPTED:  # a notebook that is run through again takes nothing back
        lab.progress.keep(exercise, "check", {"state": state, "reason": reason})
    return Verdict(exercise, state, reason, message)


def hint(exercise: str, number: int | None = None) -> str:
    """Return the next hint of an exercise, or the one of a number, 1 to 3; the later ones say more."""
    lab = current()
    hints = _texts(exercise)["hints"][lab.settings.lang]
    if number is None:
        number = min(1 + len(lab.progress.list("hint", exercise)), len(hints))
    if not 1 <= number <= len(hints):
        raise InvalidArgument(f"Exercise {exercise} has hints 1 to {len(hints)}, not {number!r}.")
    lab.progress.keep(exercise, "hint", {"number": number})
    last = f" ({t('exercise.last_hint', lab.settings.lang)})" if number == len(hints) else ""
    return f"{number}/{len(hints)}{last} {hints[number - 1]}"


def predict(key: str, value: Any) -> Prediction:
    """Commit to a number before it is measured; `compare` then shows the gap.

    Raises
    ------
    InvalidArgument
        If the value is no finite number; leaving it out (`...`) is no prediction, and no error.
    """
    _texts(key)
    if is_stub(value):
        return Prediction(key, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgument(f"A prediction is a number, not {value!r}.")
    return Prediction(key, float(value))


def is_stub(value: Any) -> bool:
    """Tell whether nothing was written yet: no value, a function that does nothing, a class that has one of those.

    Examples
    --------
    >>> def later(x): ...
    >>> is_stub(later), is_stub(...), is_stub(lambda x: x), is_stub(0)
    (True, True, False, False)
    """
    value = getattr(getattr(value, "__ray_metadata__", None), "modified_class", getattr(value, "_function", value))
    if isinstance(value, type):
        members = ((name, getattr(value, name)) for name in dir(value) if not name.startswith("__"))
        return any(isinstance(member, FunctionType) and is_stub(member) for _, member in members)
    if isinstance(value, FunctionType):
        code = inspect.unwrap(value).__code__  # Ray wraps the methods of a remote class
        return code.co_consts[-1:] == (None,) and all(step.opname in _IDLE for step in dis.get_instructions(code))
    return value is None or value is Ellipsis


def exercises() -> dict[str, dict[str, Any]]:
    """Return the texts of all exercises and predictions, in the order of the course."""
    return {
        key: texts
        for path in sorted((ROOT / "notebooks" / "checks").glob("*.toml"))
        for key, texts in tomllib.loads(path.read_text("utf-8")).items()
    }


def progress_of(lab: Lab) -> list[Standing]:
    """Return how far a lab's student is with every exercise and prediction, in the order of the course."""
    lang, kept = lab.settings.lang, lab.progress.list()
    standings = []
    for key, texts in exercises().items():
        own = [each for each in kept if each["exercise"] == key]
        if "quantity" in texts:
            said = [each for each in own if each["kind"] == "prediction"][:1]
            found = {name: said[0][name] for name in ("predicted", "measured", "gap")} if said else {}
            state, unit = PREDICTED if said else NOT_ATTEMPTED, texts.get("unit", "")
            standings.append(Standing(key, texts["quantity"][lang], state, **found, unit=unit))
        else:
            states = {each["state"] for each in own if each["kind"] == "check"}
            state = next((state for state in (RIGHT, NOT_YET) if state in states), NOT_ATTEMPTED)
            n_hints = len({each["number"] for each in own if each["kind"] == "hint"})
            standings.append(Standing(key, texts["title"][lang], state, n_hints))
    return standings


def format_progress(standings: Sequence[Standing], lang: str) -> list[list[str]]:
    """Write how far somebody is as cells of text, the header first."""
    names = ("exercise", "title", "state", "hints", "prediction", "measured", "gap")
    return [
        [t(f"progress.{name}", lang) for name in names],
        *(
            [
                row.exercise,
                row.title,
                f"{_SIGNS[row.state]} {t(f'progress.{row.state}', lang)}".replace(" ", "\xa0"),
                str(row.n_hints or ""),
                *(
                    "" if value is None else f"{number(value, lang, _digits(value, row.measured))} {row.unit}"
                    for value in (row.predicted, row.measured)
                ),
                "" if row.gap is None else percent(row.gap, lang),
            ]
            for row in standings
        ),
    ]


def _digits(value: float, measured: float | None) -> int:
    """Return how many decimals a number has beside one that was measured: none if both are counts."""
    return 0 if isinstance(measured, int) and not value % 1 else 2


def _texts(key: str) -> Mapping[str, Any]:
    known = exercises()
    if key not in known:
        raise UnknownName(f"There is no exercise {key!r}. There are: {', '.join(known)}.")
    return known[key]


def _judge(exercise: str) -> Callable[..., Mapping[str, Any] | None]:
    _texts(exercise)
    notebook, _, name = exercise.partition(".")
    judge = getattr(_module(f"{int(notebook):02}"), f"check_{name}", None)
    if judge is None:
        raise UnknownName(f"{exercise} is no exercise that can be checked.")
    return judge  # type: ignore[no-any-return]


@functools.cache
def _module(notebook: str) -> ModuleType:
    path = ROOT / "notebooks" / "checks" / f"{notebook}.py"
    spec = importlib.util.spec_from_file_location(f"labkit_checks_{notebook}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _filled(text: str, values: Mapping[str, Any], lang: str) -> str:
    """Fill numbers in as a language writes them, with digits enough to tell what was found from what is right."""
    digits, pair = 2, [values[name] for name in ("found", "right") if isinstance(values.get(name), float)]
    while digits < 12 and len({number(value, lang, digits) for value in pair}) < len(pair):
        digits += 1
    shown = {name: _written(value, lang, digits) for name, value in values.items()}
    return string.Formatter().vformat(text, (), shown)


def _written(value: Any, lang: str, digits: int = 2) -> str:
    """Write numbers as a language does, also within lists; events as a table below the text."""
    if isinstance(value, float):
        return number(value, lang, digits)
    if not isinstance(value, list | tuple):
        return str(value)
    if value and isinstance(value[0], TaskEvent):
        names = ["task", "worker", "submitted_s", "started_s", "finished_s", "received_s"]
        names += ["usage.cpu_s", "usage.queued_s"] if value[0].usage else ["node"]
        rows = [[_written(operator.attrgetter(name)(event), lang) for name in names] for event in value]
        return "\n\n" + markdown([[f"`{name}`" for name in names], *rows], "lrrrrrrr"[: len(names)])
    between = "; " if lang == "es" and any(isinstance(each, float) for each in value) else ", "
    return f"[{between.join(_written(each, lang) for each in value)}]"


def _line(fault: Exception) -> str:
    """Return the line of the student's own cell that failed."""
    own = [frame for frame in traceback.extract_tb(fault.__traceback__) if "ipykernel" in frame.filename]
    return f"`{(own[-1].line or '').strip()}`" if own else ""
