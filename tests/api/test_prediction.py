"""Predictions: what is said of flights, by which model, and how models change."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.history import AT_ONCE, History
from api.predictor import CROSSOVER_ROWS
from api.rows import EXAMPLE, KNOWN
from api.services.prediction import typical
from labkit.data.flights import clean
from labkit.errors import UnknownName
from labkit.lab import Lab
from labkit.store.database import open_database
from tests.api.test_guard import told

NAMES = [column.name for column in KNOWN]


@pytest.fixture
def first(lab: Lab) -> str:
    """The first model's id; it is the promoted one again after the test."""
    yield (found := lab.models.list()[-1].id)
    lab.models.promote(found)


@pytest.mark.parametrize("n", [1, 7, CROSSOVER_ROWS - 1, CROSSOVER_ROWS, 1000])
def test_the_answer_is_the_models_own_for_every_size_of_request(client: TestClient, lab: Lab, n: int) -> None:
    flights = client.get("/flights/sample", params={"n": n, "seed": 7}).json()
    answer = client.post("/predict", json=flights).json()
    ensemble, encoder = lab.models.load()
    import polars as pl

    rows = pl.DataFrame(flights, schema_overrides={"day": pl.String}, infer_schema_length=None)
    expected = ensemble.predict_proba(encoder.transform(clean(rows, only_known=True)).X)
    found = np.array([each["probability"] for each in answer["predictions"]])
    assert np.abs(found - expected).max() < 1e-12
    record = lab.models.get()
    assert (answer["model"], answer["version"]) == (record.id, record.run_id)
    assert {each["label"] for each in answer["predictions"]} <= {"late", "on time"}


def test_what_was_left_out_is_named(client: TestClient) -> None:
    (found,) = client.post("/predict", json=[EXAMPLE]).json()["predictions"]
    assert "distance" in found["imputed"] and "temp" not in found["imputed"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", None), ("null", None), ("{}", None), ("[]", None), ("[1]", "0"), ("[{}]", "0.day"),
        ("[" * 5000, None), ('[{"day": 1e400}]', "0.day"), ("[NaN]", "0"), ("\xff\xfe[]", None), ("[{]", None),
        (json.dumps([EXAMPLE] * 10_001), None),
    ],
)  # fmt: skip
def test_a_body_that_is_no_flights_is_told_where(client: TestClient, body: str, field: str | None) -> None:
    answer = client.post("/predict", content=body.encode("latin-1"))
    assert told(answer) == (422, "invalid-request")
    assert field is None or answer.json()["field"] == field


def test_of_duplicate_keys_the_last_counts(client: TestClient) -> None:
    first, second = ({**EXAMPLE, "carrier": name} for name in ("UA", "DL"))
    twice = json.dumps(first)[:-1] + ', "carrier": "DL"}'
    answers = [client.post("/predict", content=f"[{body}]").json() for body in (twice, json.dumps(second))]
    assert answers[0] == answers[1]


def test_an_explanation_moves_one_field_at_a_time(client: TestClient) -> None:
    answer = client.post("/predict", params={"explain": True}, json=[EXAMPLE]).json()
    (moves,), probability = answer["explanations"], answer["predictions"][0]["probability"]
    assert {move["field"] for move in moves} == set(EXAMPLE) & set(typical())
    sizes = [abs(move["change"]) for move in moves]
    assert sizes == sorted(sizes, reverse=True)
    for move in moves:
        (other,) = client.post("/predict", json=[{**EXAMPLE, move["field"]: move["typical"]}]).json()["predictions"]
        assert probability - other["probability"] == pytest.approx(move["change"], abs=1e-12)


def test_requests_that_come_together_get_each_its_own_answer(client: TestClient) -> None:
    flights = client.get("/flights/sample", params={"n": 40}).json()
    alone = [client.post("/predict", json=[flight]).json()["predictions"][0] for flight in flights]
    found: dict[int, Any] = {}

    def ask(place: int) -> None:
        found[place] = client.post("/predict", json=[flights[place]]).json()["predictions"][0]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(flights))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, expected in enumerate(alone):  # a sum of products may differ in its last bit by how many there are
        assert found[place].pop("probability") == pytest.approx(expected.pop("probability"), abs=1e-12)
        assert found[place] == expected


def test_promotion_and_rollback_change_the_model_that_answers(client: TestClient, lab: Lab, first: str) -> None:
    second = lab.models.list()[0].id
    assert client.post(f"/models/{second}/promote").json()["promoted"]
    assert client.post("/predict", json=[EXAMPLE]).json()["model"] == second
    assert client.post("/models/rollback").json()["id"] == first
    assert client.post("/predict", json=[EXAMPLE]).json()["model"] == first
    assert client.post("/models/rollback").json().get("id") != second  # further back, not forth


def test_a_promotion_elsewhere_is_noticed(client: TestClient, lab: Lab, first: str) -> None:
    lab.models.promote(second := lab.models.list()[0].id)
    client.app.state.context.predictor.refresh()  # type: ignore[attr-defined]  # what `follow` does twice a second
    assert client.post("/predict", json=[EXAMPLE]).json()["model"] == second


def test_a_model_whose_file_is_damaged_is_not_promoted(client: TestClient, lab: Lab, first: str) -> None:
    second = lab.models.list()[0].id
    (path,) = (lab.folder.models / second).iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    try:
        assert told(client.post(f"/models/{second}/promote"))[0] == 422
        assert lab.models.get().id == first
    finally:
        path.write_bytes(content)


def test_models_are_shown_with_where_they_come_from(client: TestClient, lab: Lab) -> None:
    listed = client.get("/models").json()
    assert [each["id"] for each in listed] == [record.id for record in lab.models.list()]
    shown = client.get("/models/promoted").json()
    assert (
        shown["data_digest"] and shown["parameters"]["recipes"] and sum(shown["weights"].values()) == pytest.approx(1)
    )
    for name in ("none", "%2e%2e%2fx", "m'; DROP TABLE models", "a" * 65, "x%0Ay"):
        assert told(client.get(f"/models/{name}"))[0] in (404, 422)


def test_without_a_model_the_reason_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = client.app.state.context.predictor  # type: ignore[attr-defined]

    def none(*_: object) -> None:
        raise UnknownName("none")

    monkeypatch.setattr(predictor._models, "get", none)
    time.sleep(1.0)  # what the server itself loads at its start may come after
    predictor.refresh()
    answer = client.post("/predict", json=[EXAMPLE])
    assert told(answer) == (503, "no-model") and "none is trained yet" in answer.json()["detail"]


def test_the_last_predictions_are_kept_and_no_more(client: TestClient) -> None:
    history = client.app.state.context.history  # type: ignore[attr-defined]
    history._most = 5
    flights = client.get("/flights/sample", params={"n": 8}).json()
    client.post("/predict", json=flights)
    history.flush()
    kept = client.get("/predictions").json()
    assert len(kept) == 5 and kept[0]["flight"] == flights[-1]


def test_a_flood_of_predictions_is_kept_now_and_then_and_a_few_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = History(open_database(lab.folder.database_url), 1000)
    flood, answers = [EXAMPLE] * AT_ONCE, [0.5] * AT_ONCE

    def newest(model: str, n: int) -> str:
        kept.add(model, flood[:n], answers[:n])
        kept.flush()
        return str(kept.list(1)[0]["model"])

    assert newest("first", AT_ONCE) == "first"
    assert newest("second", AT_ONCE) == "first"  # soon after: those wait
    kept.flush(at_end=True)
    assert kept.list(1)[0]["model"] == "second"  # but not for a server that has ended
    monkeypatch.setattr("api.history.FLOOD_S", 0.0)
    assert newest("third", AT_ONCE) == "third"
    monkeypatch.undo()
    assert newest("fourth", 1) == "fourth"


def test_the_schema_tells_each_field_in_both_languages(client: TestClient) -> None:
    english, spanish = (client.get("/schema", params={"lang": lang}).json() for lang in ("en", "es"))
    assert [each["name"] for each in english] == NAMES
    assert {each["name"] for each in english if each["required"]} == {
        "day",
        "carrier",
        "origin",
        "dest",
        "sched_dep_time",
    }
    assert all(one["meaning"] != other["meaning"] for one, other in zip(english, spanish, strict=True))


def test_samples_are_repeated_by_their_seed(client: TestClient) -> None:
    one, same, other = (client.get("/flights/sample", params={"n": 3, "seed": seed}).json() for seed in (1, 1, 2))
    assert one == same != other and "late" not in one[0]
    assert set(one[0]) <= set(NAMES)
