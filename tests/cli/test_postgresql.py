"""The lab with its records in PostgreSQL, as a user sets it up: by one URL."""

from __future__ import annotations

from labkit.store.models import ModelStore
from tests.cli.conftest import Shell
from tests.costs import give_costs


def test_a_lab_keeps_its_records_in_postgresql(labkit: Shell, postgresql_url: str) -> None:
    give_costs(labkit.home)
    choice = ("--days", "6", "--recipes", "logistic-numeric", "--engine", "sequential")
    record = labkit.json("train", *choice, LABKIT_DATABASE_URL=postgresql_url)
    assert record["status"] == "finished" and record["results"]["fitted"] == 1
    (listed,) = labkit.json("runs", "list", LABKIT_DATABASE_URL=postgresql_url)
    assert (listed["id"], listed["status"]) == (record["id"], "finished")
    (model,) = ModelStore(postgresql_url, str(labkit.home / "models")).list()
    assert model.run_id == record["id"] and model.promoted
    assert not (labkit.home / "lab.db").exists()


def test_a_postgresql_that_does_not_answer_is_told_with_status_6(labkit: Shell) -> None:
    said = labkit.run("runs", "list", status=6, LABKIT_DATABASE_URL="postgresql://me:s3cret@127.0.0.1:9/lab")
    assert "refused" in said and "LABKIT_DATABASE_URL" in said and "me:***@127.0.0.1" in said and "s3cret" not in said
