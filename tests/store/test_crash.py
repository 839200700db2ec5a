"""A store outlives `kill -9` at any moment."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from labkit.store.runs import RunStore

WRITE = """
import sys
from labkit.store.runs import RunStore
store = RunStore(sys.argv[1], sys.argv[2])
run = store.start("training", "x", {}, 1, "d", [])
print(run.id, flush=True)
checkpoint, number = store.checkpoint(run.id), 0
while True:
    checkpoint.save(f"fit-{number % 5}", f"{number % 5}:{number}".encode() * 5000)
    store.add_events(run.id, [{"task": f"{number}", "part": part} for part in range(3)])
    store.update(run.id, progress=(number % 100) / 100)
    number += 1
    if number == 5:
        print("busy", flush=True)
"""


@pytest.mark.parametrize(
    ("database_url", "after_s"),
    [("sqlite", 0.0), ("sqlite", 0.013), ("sqlite", 0.037), ("sqlite", 0.101), ("postgresql", 0.037)],
    indirect=["database_url"],
)
def test_store_is_whole_after_a_kill(database_url, tmp_path, after_s):
    url, artefacts = database_url, str(tmp_path / "runs")
    with subprocess.Popen([sys.executable, "-c", WRITE, url, artefacts], stdout=subprocess.PIPE, text=True) as writer:
        run_id = writer.stdout.readline().strip()
        assert writer.stdout.readline() == "busy\n"
        time.sleep(after_s)
        writer.kill()
    assert writer.returncode == -signal.SIGKILL

    store = RunStore(url, artefacts)
    store.reconcile()
    assert store.get(run_id).status == "interrupted"
    for number in range(5):
        content = store.checkpoint(run_id).load(f"fit-{number}")
        assert content is not None and len(set(content.decode().split(f"{number}:"))) == 2
    events = store.events(run_id)
    assert len(events) % 3 == 0 and [event["part"] for event in events] == [0, 1, 2] * (len(events) // 3)
    store.update(run_id, status="running")
    store.checkpoint(run_id).save("fit-0", b"resumed")
    assert store.checkpoint(run_id).load("fit-0") == b"resumed"
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
