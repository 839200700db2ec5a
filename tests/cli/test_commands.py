"""What the commands print is what was measured and kept."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from labkit.lab import start as open_lab
from tests.cli.conftest import Shell

COMMANDS = (
    "lab", "bench", "train", "runs", "models", "data", "cluster", "progress", "doctor", "clean", "serve", "token",
    "report", "backup",
)  # fmt: skip


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    """The command line with the commands of all rooms, in this process."""
    from labkit.cli import app, bench, clean, data, doctor, lab, models, progress, runs, train  # noqa: F401 (they add themselves)

    for commands in entry_points(group="labkit.commands"):
        commands.load()
    return app.app


def test_the_command_lists_every_command(labkit: Shell) -> None:
    said = labkit.run("--help", PYTHONPROFILEIMPORTTIME="1")  # as a user does, which finds the commands of all rooms
    assert "labkit.cli.train" in said and "sqlalchemy" not in said  # that would be half of what a command starts with
    assert all(f" {command} " in said for command in COMMANDS)
    assert "130 ended by Ctrl-C" in " ".join(said.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches(app: typer.Typer, command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "160", "NO_COLOR": "1"})
    assert shown.exit_code == 0 and f"Usage: labkit {command} " in shown.output and len(shown.output) > 300


def test_the_table_and_the_record_say_the_same(trained: Shell) -> None:
    (listed,) = trained.json("runs", "list", "--kind", "benchmark")
    record = trained.json("runs", "show", listed["id"])
    assert record["status"] == "finished" and record["artefacts"] == ["04_speedup_tables.ipynb"]
    rows = record["results"]["tables"]["ray"]
    assert [row["n_workers"] for row in rows] == [1, 2]
    digests = {timing["digest"] for timing in record["results"]["timings"]}
    assert digests == {record["results"]["digest"]}
    (fingerprint,) = record["fingerprints"]
    assert {"cpu_model", "usable_cpus", "memory_bytes", "packages", "digest", "commit"} <= set(fingerprint)
    assert {event["task"] for event in record["events"]} == {"hgb-small", "forest-20", "logistic-numeric"}
    said = trained.run("runs", "show", listed["id"])
    for row in rows:
        assert f"{row['speedup']:.2f}" in said and f"{row['parallel_s']:.2f}" in said
    assert fingerprint["digest"] in said and record["results"]["digest"] in said
    one, two = record["results"]["diagnoses"]["ray"]
    assert one["bottleneck"] in ("cpu", "io", "transfer", "waiting") and two["figures"]["n_workers"] == 2
    assert "Workers: 1. Bottleneck: " in said and "Workers: 2. Bottleneck: " in said


def test_the_executed_notebook_holds_the_table_and_no_error(trained: Shell, tmp_path: Path) -> None:
    (listed,) = trained.json("runs", "list", "--kind", "benchmark")
    trained.run("runs", "export", listed["id"], "--to", str(tmp_path / "out"))
    cells = json.loads((tmp_path / "out" / "04_speedup_tables.ipynb").read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("| 2 |" in "".join(output.get("data", {}).get("text/markdown", "")) for output in outputs)
    assert json.loads((tmp_path / "out" / "record.json").read_text())["id"] == listed["id"]
    assert "exists already" in trained.run("runs", "export", listed["id"], "--to", str(tmp_path / "out"), status=2)


def test_more_workers_than_were_measured_are_simulated(trained: Shell) -> None:
    (run,) = trained.json("runs", "list", "--kind", "benchmark")
    if run["parameters"]["rounds"] < 2:
        assert "at least 2 timed rounds" in trained.run("runs", "predict", run["id"], status=9)
        return
    found = trained.json("runs", "predict", run["id"], "--workers", "1,64")
    assert found["predicted"][0]["measured_here"] and not found["predicted"][1]["measured_here"]
    assert found["predicted"][1]["seconds"] <= found["predicted"][0]["seconds"]


def test_the_first_model_is_promoted_and_listed(trained: Shell) -> None:
    (model,) = trained.json("models", "list")
    assert model["promoted"] and 0.5 < model["scores"]["roc_auc"] < 1.0
    assert all(0 <= said <= 1 and 0 <= happened <= 1 and n > 0 for said, happened, n in model["scores"]["calibration"])
    assert model["id"] in trained.run("models", "promote", model["id"][:6])


def test_a_list_shows_ids_whole_so_that_they_can_be_copied(trained: Shell) -> None:
    said = trained.run("runs", "list", COLUMNS="80")
    assert all(run["id"] in said for run in trained.json("runs", "list"))


def test_one_ensemble_has_one_digest_with_ray_and_without(trained: Shell) -> None:
    (first,) = trained.json("runs", "list", "--kind", "training")
    assert first["parameters"]["engine"] == "ray"
    record = trained.json("train", "--days", "12", "--recipes", "hgb-small,logistic-numeric", "--engine", "sequential")
    assert record["parameters"]["n_workers"] == 1
    assert record["results"]["digest"] == first["results"]["digest"]


def test_training_by_shard_makes_a_member_for_each_shard(trained: Shell) -> None:
    record = trained.json("train", "--days", "12", "--recipes", "hgb-small", "--by", "shard", "--engine", "processes")
    assert len(record["results"]["weights"]) == 8
    assert sum(record["results"]["weights"].values()) == pytest.approx(1.0)


def test_the_cluster_is_described_by_its_nodes(trained: Shell) -> None:
    (node,) = trained.json("cluster", "status")["nodes"]
    assert node["cpus"] >= 1 and node["fingerprint"]["digest"]


def test_two_starts_of_a_cluster_are_one(trained: Shell) -> None:
    first = trained.run("cluster", "start", "--ray-port", "0")
    assert trained.json("cluster", "status")["address"] in first


def test_comparing_needs_two_benchmarks(trained: Shell) -> None:
    (listed,) = trained.json("runs", "list", "--kind", "benchmark")
    (training, *_) = trained.json("runs", "list", "--kind", "training")
    assert "at least two" in trained.run("runs", "compare", listed["id"], status=2)
    assert "finished benchmarks" in trained.run("runs", "compare", listed["id"], training["id"], status=2)
    said = trained.run("runs", "compare", listed["id"], listed["id"])
    assert said.count(listed["id"]) == 2


def test_doctor_looks_at_everything(trained: Shell) -> None:
    findings = trained.run("doctor")
    for what in ("Python", "CPUs", "memory", "/dev/shm", "packages", "lab folder", "Ray", "attaching", "port 8888"):
        assert what in findings


def test_data_is_described_and_prepared(labkit: Shell) -> None:
    described = labkit.json("data", "describe", "--days", "5")
    names = {column["name"]: column for column in described["columns"]}
    assert described["n_cancelled"] >= 0 and 0 < described["late_share"] < 1
    assert names["distance"]["known"] and not names["arr_delay"]["known"]
    prepared = labkit.json("data", "prepare", "--days", "5")
    assert prepared["n_rows"] > 0 and Path(prepared["folder"]).is_dir()
    assert labkit.json("data", "prepare", "--days", "5")["digest"] == prepared["digest"]


def test_progress_in_the_course_is_told_to_people_and_programs(labkit: Shell) -> None:
    store = open_lab(home=labkit.home).progress
    store.keep("1.1", "check", {"state": "right", "reason": "right"})
    store.keep("1.1", "hint", {"number": 1})
    store.keep("1.a", "prediction", {"predicted": 3.0, "measured": 2.0, "gap": 0.5, "unit": "×", "run": None})
    told = {each["exercise"]: each for each in labkit.json("progress")}
    assert (told["1.1"]["state"], told["1.1"]["n_hints"]) == ("right", 1)
    assert (told["1.a"]["state"], told["1.a"]["gap"]) == ("predicted", 0.5)
    assert told["1.2"]["state"] == "not_attempted"
    said = labkit.run("progress", LABKIT_LANG="es")
    assert "✔\N{NO-BREAK SPACE}correcto" in said and "3,00 ×" in said and "50\N{NO-BREAK SPACE}%" in said
