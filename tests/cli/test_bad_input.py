"""What a careless user sends: one clear message, the documented status, nothing left behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "--workers", "0"], "whole number from 1 to 1,024, not 0"),
        (["bench", "--workers", "-1"], "whole number from 1 to 1,024, not -1"),
        (["bench", "--workers", "10000"], "whole number from 1 to 1,024, not 10000"),
        (["bench", "--workers", "two"], "such as 1,2,4; not 'two'"),
        (["bench", "--workers", ""], "such as 1,2,4; not ''"),
        (["bench", "--workers", "1,2,2"], "repeats one"),
        (["bench", "--rounds", "0"], "from 1 to 100, not 0"),
        (["bench", "--rounds", "1000"], "from 1 to 100, not 1000"),
        (["bench", "--engine", "spark"], "no engine 'spark'"),
        (["bench", "--engine", "sequential"], "baseline of every table"),
        (["bench", "--recipes", "hgb-smal", "--engine", "processes"], "hgb-small"),
        (["bench", "--scale", "0", "--engine", "processes"], "0"),
        (["bench", "--scale", "100000", "--engine", "processes"], "100000"),
        (["bench", "--days", "1", "--engine", "processes"], "3 to 365"),
        (["train", "--workers", "0"], "not 0"),
        (["train", "--by", "luck", "--engine", "sequential", "--days", "4"], "by model or by shard, not by 'luck'"),
        (["train", "--recipes", "año"], "año"),
        (["train", "--resume", "nope", "--engine", "sequential", "--days", "4"], "nope"),
        (["runs", "show", "../../etc/passwd"], "No run begins with"),
        (["runs", "compare", "x", "y"], "No run begins with"),
        (["models", "promote", "%"], "no one model"),
        (["cluster", "start", "--ray-port", "70000"], "0 for any free one, not 70000"),
    ],
)
def test_wrong_use_is_told_with_status_2(labkit: Shell, arguments: list[str], message: str) -> None:
    assert message in " ".join(labkit.run(*arguments, status=2).split())


@pytest.mark.parametrize("arguments", [["bench", "--rounds", "two"], ["dance"], ["bench", "--no-such-option"]])
def test_what_the_command_line_cannot_read_is_wrong_use_too(labkit: Shell, arguments: list[str]) -> None:
    assert "labkit" in labkit.run(*arguments, status=2).lower()


def test_more_workers_than_memory_are_refused_before_a_kernel_starts(labkit: Shell) -> None:
    said = labkit.run("bench", "--workers", "1000", "--days", "4", "--engine", "processes", status=4)
    assert "would fit" in said
    assert labkit.json("runs", "list") == []


def test_all_wrong_settings_are_told_together(labkit: Shell) -> None:
    said = labkit.run("runs", "list", status=2, LABKIT_LANG="fr", LABKIT_DATABASE_URL="nonsense")
    assert "LABKIT_LANG must be en or es, not 'fr'" in said and "LABKIT_DATABASE_URL" in said


@pytest.mark.parametrize("address", ["127.0.0.1:9", "somewhere", "127.0.0.1:0", "ray://127.0.0.1:9", ":6379"])
def test_a_cluster_that_does_not_answer_is_told(labkit: Shell, address: str) -> None:
    said = labkit.run("bench", status=5, RAY_ADDRESS=address)
    assert "RAY_ADDRESS" in said


def test_no_cluster_says_how_to_start_one(labkit: Shell) -> None:
    assert "labkit cluster start" in labkit.run("cluster", "status", status=5)


@pytest.mark.parametrize(
    ("arguments", "option"), [(["cluster", "start", "--ray-port"], "--ray-port"), (["lab", "--port"], "--port")]
)
def test_a_port_in_use_is_told_with_the_option_that_changes_it(
    labkit: Shell, arguments: list[str], option: str
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = labkit.run(*arguments, str(port), status=5)
    assert f"port {port}" in said and option in said


def test_a_lab_of_another_layout_is_refused_and_clean_resets_it(labkit: Shell) -> None:
    labkit.run("runs", "list")
    (labkit.home / "layout").write_text("0\n")
    assert "labkit clean" in labkit.run("runs", "list", status=6)
    labkit.run("clean", "--yes")
    assert not labkit.home.exists()
    assert "No runs yet" in labkit.run("runs", "list")


def test_clean_never_removes_a_folder_that_is_no_lab(labkit: Shell, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    assert "no folder of a lab" in labkit.run("clean", "--yes", status=2, LABKIT_HOME=str(precious))
    assert (precious / "thesis.txt").exists()


def test_an_unknown_notebook_is_told_with_the_known_ones() -> None:
    from labkit.errors import UnknownName
    from labkit.runner import notebook

    with pytest.raises(UnknownName, match=r"'99'.*04_speedup_tables"):
        notebook("99")
