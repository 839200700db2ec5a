"""Runs as the services show them, and as their jobs leave them; without a cluster, which tests/api/test_jobs.py has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api import jobs
from api.problems import Problem
from labkit import host
from labkit.errors import ClusterError
from labkit.lab import Lab
from labkit.store.runs import Run
from tests.api.test_guard import told


@pytest.fixture
def waiting(lab: Lab) -> Iterator[Run]:
    run = lab.runs.start("training", "ensemble", {"days": 12}, 0, "", [host.fingerprint()], status="waiting")
    yield run
    lab.runs.update(run.id, status="interrupted", error="test")


def test_every_run_is_listed_and_shown_with_its_provenance(client: TestClient, lab: Lab) -> None:
    listed = client.get("/runs", params={"kind": "training", "status": "finished"}).json()
    assert [each["id"] for each in listed] == [run.id for run in lab.runs.list("training", "finished")]
    record = client.get(f"/runs/{listed[0]['id']}").json()
    assert record["results"]["scores"] and record["fingerprints"][0]["digest"] and record["data_digest"]
    assert "owner" not in record
    assert client.get(f"/train/{record['id']}").json() == record


@pytest.mark.parametrize("name", ["ff", "..%2F..%2Fetc", "'; DROP TABLE runs --", "%0A", "x" * 100, "%", "_"])
def test_a_run_that_is_not_there_is_told(client: TestClient, name: str) -> None:
    for path in ("/runs", "/train", "/benchmark"):
        assert told(client.get(f"{path}/{name}"))[0] in (404, 422)


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 10**9}, {"limit": "x"}, {"status": "lost"}, {"kind": "k" * 31}]
)
def test_a_list_that_makes_no_sense_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    assert told(client.get("/runs", params=query)) == (422, "invalid-request")


def test_only_finished_benchmarks_are_compared(client: TestClient, lab: Lab) -> None:
    training = lab.runs.list("training")[0].id
    assert told(client.get("/runs/compare", params={"id": [training, training]})) == (422, "invalid-argument")
    assert told(client.get("/runs/compare", params={"id": [training]})) == (422, "invalid-request")
    assert told(client.get("/runs/compare", params={"id": ["../x", training]})) == (404, "unknown-name")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recipes": ["nope"]}, "recipes"), ({"days": 0}, "body.days"), ({"days": 366}, "body.days"),
        ({"scale": 0}, "body.scale"), ({"engine": "x"}, "body.engine"), ({"n_workers": -1}, "body.n_workers"),
        ({"n_workers": "two"}, "body.n_workers"), ({"recipes": []}, "body.recipes"), ({"by": "luck"}, "body.by"),
        ({"data": "file:///etc/passwd"}, "body.data"), ([], "body"),
    ],
)  # fmt: skip
def test_a_training_that_makes_no_sense_is_refused_by_its_field(client: TestClient, body: Any, field: str) -> None:
    answer = client.post("/train", json=body)
    assert answer.status_code == 422 and answer.json()["field"] == field, answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"notebook": "../solutions/en/04"}, {"notebook": "99"}, {"notebook": ""},
        {"notebook": "04_speedup_tables", "parameters": {"day": 3}},
        {"notebook": "04_speedup_tables", "parameters": {"days": "two"}},
        {"notebook": "04_speedup_tables", "parameters": {"home": "/tmp"}},
        {"notebook": "04_speedup_tables", "parameters": {"data": "http://127.0.0.1/x"}},
        {"notebook": "04_speedup_tables", "parameters": {"engine": "ray\nimport os"}},
        {"notebook": "04_speedup_tables", "parameters": {"days": {"$ne": 1}}},
        {"notebook": "04_speedup_tables", "timeout_s": 0}, {"notebook": "04_speedup_tables", "timeout_s": 1e400},
    ],
)  # fmt: skip
def test_a_benchmark_that_makes_no_sense_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    import json

    text = json.dumps(body).replace("Infinity", "1e400")
    assert client.post("/benchmark", content=text).status_code == 422


def test_without_a_cluster_nothing_is_accepted(client: TestClient, lab: Lab) -> None:
    before = len(lab.runs.list(limit=1000))
    for path in ("/train", "/benchmark"):
        answer = client.post(path, json={})
        assert told(answer) == (503, "cluster-unavailable") and "labkit cluster start" in answer.json()["detail"]
    assert len(lab.runs.list(limit=1000)) == before


def test_a_full_queue_says_when_to_come_again(client: TestClient, waiting: Run, monkeypatch) -> None:
    jobs = client.app.state.context.jobs
    monkeypatch.setattr(jobs, "_most", 1)
    monkeypatch.setattr(jobs, "_client", object)
    with pytest.raises(Problem, match="1 runs wait") as caught:
        jobs.submit("training", "ensemble", {})
    assert caught.value.status == 429 and int(caught.value.headers["Retry-After"]) > 0


def test_a_run_whose_cluster_has_ended_does_not_wait_for_ever(client: TestClient, lab: Lab, waiting: Run) -> None:
    client.app.state.context.jobs.reconcile()
    run = lab.runs.get(waiting.id)
    assert run.status == "failed" and "cluster" in run.error


def test_a_run_whose_process_was_killed_does_not_go_on_for_ever(client: TestClient, lab: Lab, waiting: Run) -> None:
    lab.runs.update(waiting.id, status="running")
    lab.runs.update(waiting.id, owner={"pid": 2**22 + os.getpid(), "created": 0.0, "host": "x"})
    client.app.state.context.jobs.reconcile()
    assert lab.runs.get(waiting.id).status == "interrupted"


def test_a_cluster_that_is_slow_does_not_end_what_waits(
    client: TestClient, lab: Lab, waiting: Run, monkeypatch
) -> None:
    def slow() -> Any:
        raise ClusterError("The Ray cluster did not answer within 3 s.")

    monkeypatch.setattr(client.app.state.context.jobs, "_client", slow)
    with monkeypatch.context() as running:
        running.setattr(jobs, "find_head", lambda _: "one")
        client.app.state.context.jobs.reconcile()
    assert lab.runs.get(waiting.id).status == "waiting"
    client.app.state.context.jobs.reconcile()  # no head runs
    assert lab.runs.get(waiting.id).status == "failed"


def test_a_run_that_is_just_being_handed_over_is_not_given_up(
    client: TestClient, lab: Lab, waiting: Run, monkeypatch
) -> None:
    class Unknowing:
        def get_job_info(self, _: str) -> None:
            raise RuntimeError("Request failed with status code 404: Job does not exist")

    monkeypatch.setattr(jobs, "find_head", lambda _: "one")
    monkeypatch.setattr(client.app.state.context.jobs, "_client", Unknowing)
    client.app.state.context.jobs.reconcile()
    assert lab.runs.get(waiting.id).status == "waiting"
    lab.runs.update(waiting.id, created="2026-01-01T00:00:00.000+00:00")
    client.app.state.context.jobs.reconcile()
    assert lab.runs.get(waiting.id).status == "failed"


def test_a_run_that_waits_can_be_cancelled(client: TestClient, lab: Lab, waiting: Run) -> None:
    answer = client.delete(f"/train/{waiting.id}").json()
    assert answer["status"] == "interrupted" and answer["error"] == "cancelled while it waited"
    assert client.delete(f"/train/{waiting.id}").json()["status"] == "interrupted"


def test_events_are_resumed_where_a_client_was_cut_off(client: TestClient, lab: Lab) -> None:
    run = lab.runs.list("training", "finished")[-1]
    n = len(lab.runs.events(run.id))

    def kinds(**headers: str) -> list[str]:
        text = client.get(f"/train/{run.id}/events", headers=headers).text
        return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]

    assert kinds() == ["task"] * n + ["state", "end"]
    assert kinds(**{"Last-Event-ID": str(n - 1)}) == ["task", "state", "end"]
    for nonsense in ("x", "-1", "9" * 30, ""):
        assert len(kinds(**{"Last-Event-ID": nonsense})) == n + 2


def test_recipes_and_notebooks_are_listed(client: TestClient) -> None:
    assert {"hgb-small", "forest-20"} <= {each["name"] for each in client.get("/recipes").json()}
    notebooks = {each["name"]: each["parameters"] for each in client.get("/notebooks").json()}
    assert notebooks["04_speedup_tables"]["workers"] == [1, 2] and "home" not in notebooks["04_speedup_tables"]
