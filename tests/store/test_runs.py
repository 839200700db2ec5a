from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
import sys

import pytest

from labkit.errors import InvalidArgument, UnknownName
from labkit.parallel.tasks import TaskEvent
from labkit.store.runs import RunStore

EVENT = TaskEvent("hgb#1/2", 1, "local", 1, 1.0, 2.0, 3.0, 4.0, 10, 20)


@pytest.fixture
def store(database_url, tmp_path):
    return RunStore(database_url, str(tmp_path / "runs"))


@pytest.fixture
def run(store):
    return store.start("training", "ensemble", {"engine": "ray"}, 2013, "abc", [{"digest": "host"}])


def test_run_is_kept_as_it_was_begun(store, run):
    assert store.get(run.id) == run
    assert (run.status, run.progress, run.parameters, run.finished) == ("running", 0.0, {"engine": "ray"}, None)


def test_finished_run_has_its_end_and_its_results(store, run):
    store.update(run.id, progress=0.5)
    store.update(run.id, status="finished", progress=1.0, results={"digest": "x", "score": float("nan")})
    found = store.get(run.id)
    assert (found.status, found.progress, found.results) == ("finished", 1.0, {"digest": "x", "score": None})
    assert found.finished >= found.created


def test_resumed_run_runs_again_without_its_error(store, run):
    store.update(run.id, status="interrupted", error="Ctrl-C")
    store.update(run.id, status="running")
    found = store.get(run.id)
    assert (found.status, found.error, found.finished) == ("running", None, None)


def test_unknown_status_and_unknown_run_are_refused(store, run):
    with pytest.raises(InvalidArgument, match="interrupted, not 'done'"):
        store.update(run.id, status="done")
    for action in (
        lambda: store.update("nobody", progress=0.5),
        lambda: store.get("nobody"),
        lambda: store.get(""),
        lambda: store.get("%"),
        lambda: store.events("nobody"),
        lambda: store.add_events("nobody", [dataclasses.asdict(EVENT)]),
        lambda: store.save_artefact("nobody", "x", b""),
        lambda: store.checkpoint("nobody"),
    ):
        with pytest.raises(UnknownName):
            action()
    assert store.get(run.id) == run


def test_beginning_of_an_id_is_enough_unless_two_begin_so(store, run):
    assert store.get(run.id[:-1]).id == run.id
    store.start("training", "other", {}, 1, "abc", [])
    with pytest.raises(UnknownName, match="More than one"):
        store.get(run.id[:4])


def test_list_is_latest_first_and_can_be_narrowed(store, run):
    later = store.start("benchmark", "speedup", {}, 1, "abc", [])
    store.update(later.id, status="failed", error="x")
    assert [found.id for found in store.list()] == [later.id, run.id]
    assert [found.id for found in store.list(kind="training")] == [run.id]
    assert [found.id for found in store.list(status="failed")] == [later.id]
    assert [found.id for found in store.list(limit=1)] == [later.id]


def test_many_runs_of_one_second_have_ids_of_their_own(store):
    assert len({store.start("training", "x", {}, 1, "d", []).id for _ in range(400)}) == 400


def test_events_come_back_in_order(store, run):
    failed = dataclasses.replace(EVENT, attempt=2, error="lost")
    store.add_events(run.id, (dataclasses.asdict(event) for event in (EVENT, failed)))
    store.add_events(run.id, [])
    assert [TaskEvent(**event) for event in store.events(run.id[:-1])] == [EVENT, failed]


def test_artefacts_are_kept_replaced_and_listed(store, run):
    assert store.artefacts(run.id) == []
    store.save_artefact(run.id, "b.ipynb", b"1")
    store.save_artefact(run.id, "a.txt", b"2")
    store.save_artefact(run.id, "b.ipynb", b"3")
    assert store.artefacts(run.id) == ["a.txt", "b.ipynb"] and store.read_artefact(run.id, "b.ipynb") == b"3"
    with pytest.raises(UnknownName):
        store.read_artefact(run.id, "none")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", ".", ""])
def test_artefact_cannot_leave_its_folder(store, run, name):
    with pytest.raises(InvalidArgument):
        store.save_artefact(run.id, name, b"")


def test_record_is_json_and_whole(store, run):
    store.add_events(run.id, [dataclasses.asdict(EVENT)])
    store.save_artefact(run.id, "a", b"1")
    record = json.loads(json.dumps(store.export(run.id), allow_nan=False))
    assert record["id"] == run.id and record["events"][0]["task"] == EVENT.task and record["artefacts"] == ["a"]


def test_checkpoint_gives_back_the_last_that_was_saved(store, run):
    checkpoint = store.checkpoint(run.id)
    assert checkpoint.load("forest#1/3") is None
    checkpoint.save("forest#1/3", b"1")
    checkpoint.save("forest#1/3", b"2")
    checkpoint.save("forest#1-3", b"3")
    checkpoint.save("x" * 300, b"4")
    again = store.checkpoint(run.id)
    assert [again.load(key) for key in ("forest#1/3", "forest#1-3", "x" * 300)] == [b"2", b"3", b"4"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")])
def test_damaged_checkpoint_counts_as_not_there(store, run, tmp_path, damage):
    checkpoint = store.checkpoint(run.id)
    checkpoint.save("a", b"content")
    [kept] = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    damage(kept)
    assert checkpoint.load("a") is None


def test_artefacts_may_lie_at_a_url(database_url, tmp_path):
    store = RunStore(database_url, f"memory://{tmp_path.name}")
    run = store.start("training", "x", {}, 1, "d", [])
    store.save_artefact(run.id, "a", b"1")
    store.checkpoint(run.id).save("k", b"2")
    assert store.read_artefact(run.id, "a") == b"1" and store.artefacts(run.id) == ["a"]
    assert store.checkpoint(run.id).load("k") == b"2"


def test_run_of_a_process_that_is_gone_is_marked_and_others_are_left_alone(store, run, database_url, tmp_path):
    code = (
        "import sys; from labkit.store.runs import RunStore\n"
        "print(RunStore(sys.argv[1], sys.argv[2]).start('training', 'x', {}, 1, 'd', []).id)"
    )
    command = [sys.executable, "-c", code, database_url, str(tmp_path / "runs")]
    gone = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    store.reconcile()
    assert store.get(gone).status == "interrupted" and store.get(gone).finished and store.get(gone).error
    assert store.get(run.id).status == "running"


def test_a_record_names_no_host(run):
    assert set(run.owner) == {"pid", "created", "host"} and platform.node() not in str(run)


def test_run_of_another_host_that_shares_the_database_is_left_to_it(postgresql_url, tmp_path):
    store = RunStore(postgresql_url, str(tmp_path / "runs"))
    run = store.start("training", "x", {}, 1, "d", [])
    for host, status in (("elsewhere", "running"), (run.owner["host"], "interrupted")):
        store.update(run.id, owner={**run.owner, "pid": 0, "host": host})
        store.reconcile()
        assert store.get(run.id).status == status


def test_numbers_may_have_64_bits(store):
    assert store.get(store.start("training", "x", {}, 2**62, "d", []).id).seed == 2**62
