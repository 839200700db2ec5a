from __future__ import annotations

import ast
import string
from pathlib import Path
from typing import Any

import pytest

import labkit
from labkit.classroom.exercises import _written, exercises, format_progress, is_stub, progress_of
from labkit.classroom.text import LANGUAGES
from labkit.errors import InvalidArgument, UnknownName
from labkit.lab import Lab
from labkit.parallel.tasks import TaskEvent

CHECKS = Path(__file__).parents[2] / "notebooks" / "checks"
ASKED = {key: texts for key, texts in exercises().items() if "hints" in texts}
PREDICTED = {key: texts for key, texts in exercises().items() if "hints" not in texts}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return labkit.start(home=tmp_path, lang="en")


def fields(text: str) -> list[str]:
    return sorted(name or "" for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def told(node: ast.AST, within: ast.FunctionDef) -> set[str]:
    """Return the reasons that an expression may be: itself, one of two, what a table gives, what a name was set to."""
    match node:
        case ast.Constant(value=str(reason)):
            return {reason}
        case ast.IfExp(body=one, orelse=other):
            return told(one, within) | told(other, within)
        case ast.Call(func=ast.Attribute(value=ast.Dict(values=values), attr="get"), args=[_, *default]):
            return {reason for each in (*values, *default) for reason in told(each, within)}
        case ast.Name(id=name):
            sets = [each for each in ast.walk(within) if isinstance(each, ast.Assign)]
            named = [
                each.value for each in sets if any(isinstance(to, ast.Name) and to.id == name for to in each.targets)
            ]
            return {reason for value in named for reason in told(value, within)}
    return set()


def reasons(notebook: str) -> dict[str, tuple[set[str], set[str]]]:
    """Return for each check the reasons that it, and the functions of its file that it calls, surely may give.

    With them all strings there: a reason that is looked up in another function's table is one of those.
    """
    tree = ast.parse((CHECKS / f"{notebook}.py").read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def within(node: ast.FunctionDef, seen: frozenset[str] = frozenset()) -> tuple[set[str], set[str]]:
        found, strings = set(), set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                strings.add(inner.value)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
                if inner.func.id == "NotYet":
                    found |= told(inner.args[0], node)
                elif inner.func.id in functions and inner.func.id not in seen:
                    more = within(functions[inner.func.id], seen | {inner.func.id})
                    found, strings = found | more[0], strings | more[1]
        return found, strings

    return {name.removeprefix("check_"): within(node) for name, node in functions.items() if name.startswith("check_")}


@pytest.mark.parametrize("key", ASKED)
def test_an_exercise_has_three_hints_and_all_its_texts_in_both_languages(key: str) -> None:
    texts = ASKED[key]
    assert set(texts) == {"title", "right", "hints", "not_yet"}
    assert [len(texts["hints"][lang]) for lang in LANGUAGES] == [3, 3]
    for text in (texts["title"], texts["right"], *texts["not_yet"].values()):
        assert set(text) == set(LANGUAGES) and fields(text["en"]) == fields(text["es"])


@pytest.mark.parametrize("key", PREDICTED)
def test_a_prediction_names_its_quantity_in_both_languages(key: str) -> None:
    assert set(PREDICTED[key]["quantity"]) == set(LANGUAGES)


@pytest.mark.parametrize("notebook", sorted(path.stem for path in CHECKS.glob("*.py")))
def test_every_reason_of_a_check_has_its_text_and_no_text_is_idle(notebook: str) -> None:
    for name, (given, strings) in reasons(notebook).items():
        texts = set(ASKED[f"{int(notebook)}.{name}"]["not_yet"])
        assert given <= texts and texts <= given | strings, f"{notebook}.{name}"


def test_a_notebook_has_at_least_three_exercises() -> None:
    for notebook in sorted(path.stem for path in CHECKS.glob("*.toml")):
        assert sum(key.startswith(f"{int(notebook)}.") for key in ASKED) >= 3, notebook


def test_an_attempt_is_kept_and_nothing_written_takes_nothing_back(lab: Lab) -> None:
    assert labkit.check("4.1", lambda sequential_s, parallel_s, n: 0.5).state == "not_yet"
    verdict = labkit.check("4.1", ...)
    assert verdict.state == "not_attempted" and verdict._repr_mimebundle_()["text/markdown"].startswith("○ **4.1**")
    (kept,) = lab.progress.list("check")
    assert (kept["exercise"], kept["state"]) == ("4.1", "not_yet")


def test_hints_come_one_after_the_other_and_the_last_stays_and_says_so(lab: Lab) -> None:
    assert [labkit.hint("1.1")[:4] for _ in range(4)] == ["1/3 ", "2/3 ", "3/3 ", "3/3 "]
    assert "the last" in labkit.hint("1.1") and "the last" not in labkit.hint("1.1", 2)
    assert labkit.hint("1.1", 1)[:3] == "1/3"
    with pytest.raises(InvalidArgument, match="hints 1 to 3"):
        labkit.hint("1.1", 4)


def test_a_prediction_is_kept_with_its_gap_and_its_run(lab: Lab) -> None:
    verdict = labkit.predict("1.a", 3).compare(2.0, run="r1")
    assert "predicted 3.00 ×, measured 2.00 ×" in verdict.message and "50% too high" in verdict.message
    (kept,) = lab.progress.list("prediction")
    assert (kept["predicted"], kept["measured"], kept["gap"], kept["run"]) == (3.0, 2.0, 0.5, "r1")


def test_a_count_has_no_decimals_unless_the_prediction_has(lab: Lab) -> None:
    assert "predicted 600 ×, measured 654 ×" in labkit.predict("1.a", 600).compare(654).message
    shown = next(row for row in format_progress(progress_of(lab), "en") if row[0] == "1.a")
    assert [cell.strip() for cell in shown[4:6]] == ["600 ×", "654 ×"]
    assert "predicted 600.50 ×, measured 654.00 ×" in labkit.predict("1.a", 600.5).compare(654).message


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "first prediction, 3.00 × against 2.00 ×"), ("es", "predicción, 3,00 × frente a 2,00 ×")]
)
def test_a_second_prediction_is_told_that_the_first_one_counts(tmp_path: Path, lang: str, said: str) -> None:
    labkit.start(home=tmp_path, lang=lang)
    assert said not in labkit.predict("1.a", 3).compare(2.0).message
    for _ in range(2):
        assert said in labkit.predict("1.a", 2).compare(2.0).message


def test_a_prediction_that_is_met_is_not_called_too_high(lab: Lab) -> None:
    assert "exactly it" in labkit.predict("7.b", 2).compare(2.0).message


def test_no_prediction_is_said_and_not_kept(lab: Lab) -> None:
    assert labkit.predict("1.a", ...).compare(2.0).state == "not_attempted"
    assert lab.progress.list() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "2", True, [2]])
def test_a_prediction_that_is_no_number_is_refused(lab: Lab, value: Any) -> None:
    with pytest.raises(InvalidArgument, match="A prediction is a number"):
        labkit.predict("1.a", value)


@pytest.mark.parametrize("exercise", ["9.9", "", "1", "../x", "1.a"])
def test_an_unknown_exercise_is_refused(lab: Lab, exercise: str) -> None:
    with pytest.raises(UnknownName):
        labkit.check(exercise, 1)


@pytest.mark.parametrize(("lang", "said"), [("en", "in number 2, and was given 1"), ("es", "en total 2, y recibió 1")])
def test_a_check_that_is_given_too_little_says_what_it_takes(tmp_path: Path, lang: str, said: str) -> None:
    lab = labkit.start(home=tmp_path, lang=lang)
    verdict = labkit.check("4.2", lambda n_rounds: 0.5)
    assert said in verdict.message and "check_2" not in verdict.message and verdict.state == "not_attempted"
    assert labkit.check("4.1").reason == labkit.check("4.1", len, len).reason == "arguments"
    assert lab.progress.list() == []


def test_an_error_outside_of_the_student_s_cell_shows_no_empty_line(lab: Lab) -> None:
    message = labkit.check("4.1", lambda: 0.5).message
    assert "positional arguments" in message and "``" not in message


def test_a_verdict_writes_lists_and_events_as_the_language_does(tmp_path: Path) -> None:
    labkit.start(home=tmp_path, lang="es")
    assert _written([[0.5, 1], [2, 3], "a"], "es") == "[[0,50; 1], [2, 3], a]"
    assert _written((0.5, 1), "en") == "[0.50, 1]"
    table = _written([TaskEvent("t", 0, "local", 1, 0.0, 1.0, 2.5, 3.0, 0, 0)], "es").splitlines()
    assert table[2].startswith("| `task` | `worker` | `submitted_s`")
    assert table[-1] == "| t | 0 | 0,00 | 1,00 | 2,50 | 3,00 | local |"


def test_a_class_with_one_method_unwritten_is_a_stub() -> None:
    class Half:
        def one(self) -> int:
            return 1

        def two(self) -> None: ...

    assert is_stub(Half) and not is_stub(type("Whole", (), {"one": Half.one}))


def test_progress_keeps_the_best_state_and_the_first_prediction(lab: Lab) -> None:
    for state in ("not_yet", "right", "not_attempted"):
        lab.progress.keep("1.1", "check", {"state": state, "reason": state})
    for number in (1, 2, 2):
        labkit.hint("1.2", number)
    for value in (3.0, 2.0):
        labkit.predict("1.a", value).compare(2.0)
    told = {row.exercise: row for row in progress_of(lab)}
    assert list(told) == list(exercises())
    assert (told["1.1"].state, told["1.2"].state, told["1.2"].n_hints) == ("right", "not_attempted", 2)
    assert (told["1.a"].state, told["1.a"].predicted, told["1.a"].gap) == ("predicted", 3.0, 0.5)


def test_progress_is_written_in_the_reader_s_language(lab: Lab) -> None:
    labkit.predict("1.a", 1.0).compare(2.0)
    for lang, state, gap in (("en", "✔ predicted", "-50%"), ("es", "✔ predicho", "-50\N{NO-BREAK SPACE}%")):
        (row,) = [row for row in format_progress(progress_of(lab), lang) if row[0] == "1.a"]
        assert row[2] == state.replace(" ", "\N{NO-BREAK SPACE}") and row[-1] == gap
