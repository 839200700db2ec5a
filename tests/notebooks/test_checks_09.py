"""Typical answers to notebook 09, right and wrong, and what each is told. Takes about 3 s."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = "import collections, math, re"
PARSE = r"""
def parse(text):
    samples = []
    for line in text.splitlines():
        if {kept}:
            name, labels, value = re.match(r'{pattern}', line).groups()
            samples.append((name, {labels}, {value}))
    return {returned}
"""
RATE = """
def rate(samples):
    grown = 0.0
    for (_, earlier), (_, later) in zip(samples, samples[1:]):
        grown += {growth}
    return grown / (samples[-1][0] - samples[0][0])
"""
QUANTILE = """
def quantile(before, after, q):
    counts = {{le: {count} for le in after}}
    rank, lower, below = q * counts[math.inf], 0.0, 0.0
    for le, count in counts.items():
        if count >= rank:
            return {value}
        lower, below = le, count
"""
CUMULATED = """
def quantile(before, after, q):
    total, below, lower = sum(after.values()), 0.0, 0.0
    for le, count in after.items():
        if below + count >= q * total:
            return lower + (le - lower) * (q * total - below) / count
        lower, below = le, below + count
"""
FAILING = """
def failing(before, after):
    answers, failures = collections.Counter(), collections.Counter()
    for sign, samples in {looks}:
        for name, labels, value in samples:
            if {asked}:
                answers[labels['route']] {add} sign * value
                if {failed}:
                    failures[labels['route']] {add} sign * value
    return {{{pair} for route, n in answers.items() if {kept}}}
"""


def parse(
    kept: str = "line.strip() and not line.startswith('#')",
    pattern: str = r"([\w:]+)(?:\{(.*)\})?\s+(\S+)",
    labels: str = r"dict(re.findall(r'(\w+)=\"([^\"]*)\"', labels or ''))",
    value: str = "float(value)",
    returned: str = "samples",
) -> str:
    places = {"kept": kept, "pattern": pattern, "labels": labels, "value": value, "returned": returned}
    code = PARSE
    for name, text in places.items():
        code = code.replace("{" + name + "}", text)
    return code


def rate(growth: str = "later - earlier if later >= earlier else later") -> str:
    return RATE.format(growth=growth)


def quantile(value: str = "", count: str = "after[le] - before[le]") -> str:
    inner = "lower + (le - lower) * (rank - below) / (count - below)"
    return QUANTILE.format(value=value or f"lower if le == math.inf else {inner}", count=count)


def failing(
    looks: str = "((-1, before), (1, after))",
    asked: str = "name == 'labkit_request_seconds_count'",
    failed: str = "int(labels['status']) >= 500",
    add: str = "+=",
    pair: str = "route: failures[route] / n",
    kept: str = "n > 0",
) -> str:
    return FAILING.format(looks=looks, asked=asked, failed=failed, add=add, pair=pair, kept=kept)


WITHIN = "lower + (le - lower) * (rank - below) / (count - below)"
SPLIT = "dict(pair.replace('\"', '').split('=') for pair in (labels or '').split(',') if pair)"
OF_ALL = "def rate(samples): return {}"
ANSWERS = [
    ("9.1", "parse", "right", parse()),
    ("9.1", "parse", "braces", parse(pattern=r"([\w:]+)(?:\{([^}]*)\}?[^ ]*)?\s+(\S+)")),
    ("9.1", "parse", "stops", parse(pattern=r"([\w:]+)(?:\{([^}]*)\})?\s+(\S+)")),
    ("9.1", "parse", "commas", parse(labels=SPLIT).replace("return samples", "return samples", 1)
     .replace("if pair)", "if '=' in pair)")),
    ("9.1", "parse", "stops", parse(labels=SPLIT)),
    ("9.1", "parse", "stops", parse(kept="not line.startswith('#')")),
    ("9.1", "parse", "timestamp", parse(pattern=r"([\w:]+)(?:\{(.*)\})?.*\s(\S+)$")),
    ("9.1", "parse", "comments", parse(kept="line.strip()", pattern=r"([\w:#]+)(?:\{(.*)\})?\s+(\S+)",
                                       value="float(value) if value[0].isdigit() else math.inf")),
    ("9.1", "parse", "one_a_name", parse(returned="{name: value for name, _, value in samples}")),
    ("9.1", "parse", "not_a_list", parse(returned="iter(samples)")),
    ("9.1", "parse", "lost", parse(kept="line.strip() and not line.startswith('#') and not line.startswith('most')")),
    ("9.1", "parse", "more", parse(returned="samples + samples")),
    ("9.1", "parse", "wrong", parse(labels="labels or {}")),
    ("9.1", "parse", "not_attempted", "def parse(text):\n    ..."),
    ("9.2", "rate", "right", rate()),
    ("9.2", "rate", "negative", rate("later - earlier")),
    ("9.2", "rate", "negative", OF_ALL.format("(samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])")),
    ("9.2", "rate", "lost", rate("max(0.0, later - earlier)")),
    ("9.2", "rate", "absolute", rate("abs(later - earlier)")),
    ("9.2", "rate", "not_per_second", OF_ALL.format("samples[-1][1] - samples[0][1]")),
    ("9.2", "rate", "from_zero", OF_ALL.format("samples[-1][1] / samples[-1][0]")),
    ("9.2", "rate", "per_look", OF_ALL.format("(samples[-1][1] - samples[0][1]) / (len(samples) - 1)")),
    ("9.2", "rate", "mean_of_rates", OF_ALL.format(
        "sum((w - v) / (t - s) for (s, v), (t, w) in zip(samples, samples[1:])) / (len(samples) - 1)")),
    ("9.2", "rate", "no_number", OF_ALL.format("[value for _, value in samples]")),
    ("9.2", "rate", "wrong", OF_ALL.format("1.0")),
    ("9.2", "rate", "not_attempted", "def rate(samples):\n    ..."),
    ("9.3", "quantile", "right", quantile()),
    ("9.3", "quantile", "since_start", quantile(count="after[le]")),
    ("9.3", "quantile", "endless", quantile(WITHIN)),
    ("9.3", "quantile", "whole_bucket", quantile("le")),
    ("9.3", "quantile", "middle", quantile("(lower + le) / 2")),
    ("9.3", "quantile", "not_cumulative", CUMULATED),
    ("9.3", "quantile", "wrong", quantile("le * 2")),
    ("9.3", "quantile", "no_number", quantile("(lower, le)")),
    ("9.3", "quantile", "not_attempted", "def quantile(before, after, q):\n    ..."),
    ("9.4", "failing", "right", failing()),
    ("9.4", "failing", "since_start", failing("((1, after),)")),
    ("9.4", "failing", "client_errors", failing(failed="int(labels['status']) >= 400")),
    ("9.4", "failing", "one_series", failing(add="=")),
    ("9.4", "failing", "no_share", failing(pair="route: failures[route]")),
    ("9.4", "failing", "without_failures", failing(kept="failures[route]")),
    ("9.4", "failing", "idle", failing(pair="route: failures[route] / max(n, 1)", kept="True")),
    ("9.4", "failing", "not_by_route", "def failing(before, after): return 0.3"),
    ("9.4", "failing", "missing", "def failing(before, after): return {}"),
    ("9.4", "failing", "other_meters", failing(asked="True").replace("labels['route']", "labels.get('route', name)")
     .replace("int(labels['status'])", "int(labels.get('status', 0))")),
    ("9.4", "failing", "raised", failing(asked="True")),
    ("9.4", "failing", "not_attempted", "def failing(before, after):\n    ..."),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_a_rate_that_holds_only_between_equal_looks_is_told_with_the_looks_in_both_languages(tmp_path: Path) -> None:
    code = next(code for *_, reason, code in ANSWERS if reason == "mean_of_rates")
    for lang, said in (("en", "right is 2.80. The looks"), ("es", "lo correcto es 2,80. Las miradas")):
        labkit.start(home=tmp_path, lang=lang)
        message = answer("9.2", "rate", code, PRELUDE).message
        assert said in message and "(25 s, 170)" in message
