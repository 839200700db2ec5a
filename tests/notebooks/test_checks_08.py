"""Typical answers to notebook 08, right and wrong, and what each is told. Takes about 3 s."""

from __future__ import annotations

from pathlib import Path

import pytest

import labkit
from tests.notebooks.course import answer

PRELUDE = "import httpx, math\nimport numpy as np"


def asks(body: str, value: str = "each['probability']", post: str = "client.post('/predict', json=flights)") -> str:
    checked = f"    answer = {post}\n    {body}\n" if body else f"    answer = {post}\n"
    return (
        f"def probabilities(client, flights):\n{checked}    return [{value} for each in answer.json()['predictions']]"
    )


RAISES = "answer.raise_for_status()"
EACH = """
def probabilities(client, flights):
    found = []
    for flight in flights:
        answer = client.post('/predict', json=[flight])
        answer.raise_for_status()
        found.append(answer.json()['predictions'][0]['probability'])
    return found
"""
LITTLE = """
def little(requests, from_s, until_s):
    T = until_s - from_s
    done = [{took} for b, e in requests if {counted}]
    rate, mean = len(done) / T, sum(done) / len(done)
    return {L}, rate, mean
"""


def little(
    L: str = "sum(max(0, min(e, until_s) - max(b, from_s)) for b, e in requests) / T",
    counted: str = "from_s <= e < until_s",
    took: str = "e - b",
) -> str:
    return LITTLE.format(L=L, counted=counted, took=took)


def percentile(value: str, first: str = "ordered = sorted(latencies_s)") -> str:
    return f"def percentile(latencies_s, p):\n    {first}\n    return {value}"


RANK = "math.ceil(p * len(latencies_s) / 100) - 1"
TOUCHES = "e > from_s and b < until_s"
PEAK = "max(sum(b <= t < e for b, e in requests) for t, _ in requests)"
ANSWERS = [
    ("8.1", "probabilities", "right", asks(RAISES)),
    ("8.1", "probabilities", "one_by_one", EACH),
    ("8.1", "probabilities", "swallowed", asks("")),
    ("8.1", "probabilities", "no_numbers", asks(RAISES, "each")),
    ("8.1", "probabilities", "no_numbers", asks(RAISES, "each['label']")),
    ("8.1", "probabilities", "another_order", asks(RAISES).replace("[each", "sorted([each") + ")"),
    ("8.1", "probabilities", "another_number", asks(RAISES, post="client.post('/predict', json=flights[:1])")),
    ("8.1", "probabilities", "without_token",
     asks(RAISES, post="httpx.post(str(client.base_url.join('/predict')), json=flights)")),
    ("8.1", "probabilities", "refused", asks(RAISES, post="client.post('/predict', data={'flights': str(flights)})")),
    ("8.1", "probabilities", "refused", asks(RAISES, post="client.post('/predict', json={'flights': flights})")),
    ("8.1", "probabilities", "refused", asks(RAISES, post="client.get('/predict')")),
    ("8.1", "probabilities", "wrong", asks(RAISES, "1 - each['probability']")),
    ("8.1", "probabilities", "raised", asks(RAISES, "each['chance']")),
    ("8.1", "probabilities", "not_attempted", "def probabilities(client, flights):\n    ..."),
    ("8.2", "percentile", "right", percentile(f"ordered[{RANK}]")),
    ("8.2", "percentile", "right", percentile("np.percentile(ordered, p, method='inverted_cdf')")),
    ("8.2", "percentile", "interpolated", percentile("np.percentile(ordered, p)")),
    ("8.2", "percentile", "unsorted", percentile(f"latencies_s[{RANK}]")),
    ("8.2", "percentile", "one_too_far", percentile("ordered[int(p * len(ordered) / 100)]")),
    ("8.2", "percentile", "mean", percentile("sum(ordered) / len(ordered)")),
    ("8.2", "percentile", "largest", percentile("ordered[-1]")),
    ("8.2", "percentile", "changed", percentile(f"latencies_s[{RANK}]", "latencies_s.sort()")),
    ("8.2", "percentile", "wrong", percentile("ordered[0]")),
    ("8.2", "percentile", "not_attempted", "def percentile(latencies_s, p):\n    ..."),
    ("8.3", "little", "right", little()),
    ("8.3", "little", "circular", little("rate * mean")),
    ("8.3", "little", "unclipped", little(f"sum(e - b for b, e in requests if {TOUCHES}) / T")),
    ("8.3", "little", "peak", little(PEAK)),
    ("8.3", "little", "begun", little(counted="from_s <= b < until_s")),
    ("8.3", "little", "touching", little(counted=TOUCHES)),
    ("8.3", "little", "all_of_them", little(counted="True")),
    ("8.3", "little", "clipped_mean", little(took="min(e, until_s) - max(b, from_s)")),
    ("8.3", "little", "wrong", little("len(requests)")),
    ("8.3", "little", "not_three", "def little(requests, from_s, until_s): return 1.0"),
    ("8.3", "little", "not_attempted", "def little(requests, from_s, until_s):\n    ..."),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "name", "reason", "code"), ANSWERS)
def test_an_answer_is_told_what_it_is(tmp_path: Path, exercise: str, name: str, reason: str, code: str) -> None:
    labkit.start(home=tmp_path)
    verdict = answer(exercise, name, code, PRELUDE)
    assert verdict.reason == reason, verdict.message


def test_who_computes_the_law_from_itself_is_told_so_in_both_languages(tmp_path: Path) -> None:
    for lang, said in (("en", "A law is not tested by itself"), ("es", "Una ley no se comprueba con ella misma")):
        labkit.start(home=tmp_path, lang=lang)
        message = answer("8.3", "little", little("rate * mean"), PRELUDE).message
        assert said in message and ("1,20" if lang == "es" else "1.20") in message and "8–12" in message
