from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import ray

from labkit.files.folder import LabFolder
from labkit.parallel.cluster import status
from labkit.parallel.output import N_TAIL, WorkerOutput, tail, worker_output


def log(folder: Path, job: str, text: str, name: str = "worker-ab-ffffffff-1.out") -> Path:
    path = folder / name
    path.write_text(f":job_id:{job}\n:task_name:f\n{text}")
    return path


def test_only_what_the_own_job_prints_from_now_on_is_read_and_only_once(tmp_path: Path) -> None:
    own = log(tmp_path, "01", "before\n")
    output = WorkerOutput(tmp_path, "01")
    log(tmp_path, "02", "another's\n", "worker-cd-02-2.out")
    with own.open("a") as file:
        file.write(":actor_name:A\nfirst\nsecond\nhalf")
    log(tmp_path, "01", "a warning\n", "worker-ab-ffffffff-1.err")
    assert output.fresh() == ["a warning", "first", "second"]
    with own.open("a") as file:
        file.write(" a line\n")
    assert output.fresh() == ["half a line"]
    assert output.fresh() == []


def test_a_flood_is_cut_to_its_last_lines(tmp_path: Path) -> None:
    output = WorkerOutput(tmp_path, "01")
    log(tmp_path, "01", "x" * 79 + "\n" * 1 + ("y" * 79 + "\n") * 50_000)
    lines = output.fresh()
    assert 12_000 < len(lines) < 13_000 and lines[-1] == "y" * 79
    shown = tail(lines).splitlines()
    assert len(shown) == N_TAIL + 1 and f"+{len(lines) - N_TAIL}" in shown[0]
    assert tail(["one"]) == "[Ray] one"


@ray.remote
def greet(path: str) -> None:
    print("hello from a worker")
    while not Path(path).exists():
        time.sleep(0.01)


def wait_for(value: Any) -> None:
    until = time.monotonic() + 60.0
    while not value():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_cluster_tells_what_it_does_and_a_workers_words_are_found(ray_cluster: LabFolder, tmp_path: Path) -> None:
    output, go = worker_output(), tmp_path / "go"

    def now() -> dict[str, Any]:
        found = status(ray_cluster)
        assert found is not None
        return found

    begun = greet.remote(str(go))
    wait_for(lambda: now()["running"].get("greet") == 1 and sum(node["cpus_used"] for node in now()["nodes"]) >= 1)
    [node] = now()["nodes"]
    assert node["cpus"] == 4 and node["store_bytes"] > 0
    held = ray.put(bytes(20_000_000))
    wait_for(lambda: now()["nodes"][0]["store_used_bytes"] >= 20_000_000)
    go.touch()
    ray.get(begun)
    assert output.fresh() == ["hello from a worker"]
    wait_for(lambda: "greet" not in now()["running"])
    del held


def test_where_no_cluster_is_there_is_no_status(lab_folder: LabFolder) -> None:
    assert status(lab_folder) is None
    assert status(lab_folder, "127.0.0.1:1") is None
