from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from labkit.errors import ClusterError, InvalidArgument, NotEnoughMemory, NotEnoughResources, TaskFailed
from labkit.files.folder import LabFolder
from labkit.files.whole import write_whole
from labkit.learning.fitting import plan_fits
from labkit.learning.recipes import catalogue
from labkit.parallel.cluster import actors, attach, detach, n_nodes
from labkit.parallel.dispatch import dispatch, watchers
from labkit.parallel.engines import engine
from labkit.parallel.faults import (
    FaultReport,
    FillStore,
    KillActor,
    KillNode,
    KillWorker,
    SlowWorker,
    inject,
)
from labkit.parallel.head import find_head, ray_environment, start_head, stop_head
from labkit.parallel.ray_crew import RayCrew, cpu_share, n_places
from labkit.parallel.service import end_service, log_tail, outliving, start_service
from labkit.parallel.tasks import Task, TaskEvent
from labkit.pipeline import Job, train
from tests.learning.blocks import block
from tests.parallel.test_dispatch import Kept
from tests.parallel.toys import DiesAtFirst, Toy


def ran(task: str, worker: int, submitted_s: float, started_s: float, finished_s: float, attempt: int = 1) -> TaskEvent:
    return TaskEvent(task, worker, "local", attempt, submitted_s, started_s, finished_s, finished_s, 1, 1)


def died(task: str, worker: int, submitted_s: float, noticed: float, attempt: int = 1) -> TaskEvent:
    return TaskEvent(task, worker, "?", attempt, submitted_s, noticed, noticed, noticed, 0, 0, f"worker {worker} died")


def costs(events: list[TaskEvent], struck_s: float) -> tuple[float, float, float]:
    report = FaultReport(struck_s, events)
    return report.noticed_s, report.recovered_s, report.lost_s


def test_lost_work_begins_where_the_worker_had_finished_what_lay_before() -> None:
    events = [ran("a", 0, 0.0, 0.0, 4.0), ran("c", 1, 0.0, 0.0, 5.0), died("b", 0, 0.1, 7.0)]
    assert costs([*events, ran("b", 0, 7.0, 8.0, 9.0, 2)], 6.0) == (1.0, 2.0, 2.0)


def test_a_fault_that_takes_two_workers_is_over_when_both_tasks_run_again() -> None:
    events = [died("a", 0, 0.0, 11.0), died("b", 1, 4.0, 12.0), ran("b", 2, 12.0, 12.5, 20.0, 2)]
    assert costs([*events, ran("a", 2, 20.0, 20.5, 30.0, 2)], 10.0) == (1.0, 10.5, 16.0)


def test_a_task_that_dies_again_is_not_running_again() -> None:
    events = [died("a", 0, 0.0, 2.0), died("a", 0, 2.0, 5.0, attempt=2)]
    assert costs(events, 1.0) == (1.0, math.inf, 1.0)
    assert costs([*events, ran("a", 0, 5.0, 6.0, 7.0, 3)], 1.0) == (1.0, 5.0, 1.0)


@pytest.mark.parametrize("struck_s", [5.0, math.nan])
def test_a_fault_that_no_task_felt_was_not_noticed(struck_s: float) -> None:
    events = [died("a", 0, 0.0, 2.0), ran("a", 0, 2.0, 3.0, 4.0, 2)]
    assert costs(events, struck_s) == pytest.approx((math.nan, math.nan, 0.0), nan_ok=True)


@pytest.mark.parametrize(
    "made",
    [
        lambda: KillWorker(at_task=0),
        lambda: KillWorker(at_task=-1),
        lambda: KillWorker(at_task=""),
        lambda: KillWorker(after_s=-1.0),
        lambda: KillWorker(after_s=math.nan),
        lambda: KillWorker(at_share=1.0),
        lambda: SlowWorker(factor=1.0),
        lambda: SlowWorker(factor=float("nan")),
    ],
)
def test_a_moment_that_makes_no_sense_is_refused(made: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgument):
        made()


@pytest.mark.parametrize(
    ("cpus", "n_workers", "share"),
    [
        ([2], 2, 1.0),
        ([8], 2, 1.0),
        ([2], 4, 0.5),
        ([2], 3, 0.6666),
        ([1, 1], 3, 0.5),
        ([2, 2], 5, 0.6666),
        ([], 2, 0.0),
    ],
)
def test_actors_share_cpus_so_that_all_find_a_place(cpus: list[float], n_workers: int, share: float) -> None:
    assert cpu_share(cpus, n_workers) == share
    assert not share or n_places(cpus, share) >= n_workers


@pytest.fixture(params=["ray", "processes", "joblib", "dask"])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return str(request.param)


def waiting(tmp_path: Path) -> tuple[list[Task], Callable[[TaskEvent], None]]:
    """Return tasks of which the second begins at once and waits until somebody has died, and who tells it."""
    gate = tmp_path / "gate"
    tasks = [Task(f"t{i}", "times", float(i), cost_s=float(i == 0)) for i in range(6)]
    tasks.insert(1, Task("wait", "wait_for", str(gate), cost_s=0.5))
    return tasks, lambda event: gate.touch() if event.error else None


def assert_one_was_lost(report: FaultReport, after_s: float) -> None:
    assert 0.0 <= report.noticed_s <= report.recovered_s < math.inf
    assert report.lost_s >= after_s - 1e-3
    assert [event.attempt for event in report.events if event.task == "wait"] == [1, 2]


def test_a_killed_worker_costs_what_its_task_had_done(name: str, tmp_path: Path) -> None:
    tasks, on_event = waiting(tmp_path)
    with engine(name)(Toy, (), {}, 2) as crew, inject(KillWorker(at_task="wait", after_s=0.2)) as report:
        results = dispatch(tasks, crew, on_event=on_event)
    assert results == [0.0, "there", 1.0, 2.0, 3.0, 4.0, 5.0]
    assert_one_was_lost(report, 0.2)
    if name in ("processes", "joblib"):
        assert "SIGKILL" in next(event.error or "" for event in report.events if event.task == "wait")
    assert not watchers


def test_a_killed_actor_is_replaced(ray_cluster: LabFolder, tmp_path: Path) -> None:
    tasks, on_event = waiting(tmp_path)
    with engine("ray")(Toy, (), {}, 2) as crew, inject(KillActor(at_task=2)) as report:
        dispatch(tasks, crew, on_event=on_event)
    assert_one_was_lost(report, 0.0)
    assert any("ray.kill" in (event.error or "") for event in report.events)


def test_a_fault_in_training_changes_no_bit_of_the_votes() -> None:
    rows = block(400)
    job = Job(plan_fits(catalogue(["hgb-small", "forest-20"]), 1, None), {"train": rows}, rows, rows, ())
    with inject(KillWorker(at_task=2)) as report:
        _, disturbed = train(job, engine_name="processes", n_workers=2)
    assert report.said == "KillWorker at worker 1"
    assert disturbed == train(job, engine_name="sequential", n_workers=1)[1]


def test_a_slowed_worker_is_stopped_again_and_again_and_runs_on_afterwards(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with engine("processes")(Toy, (), {}, 1) as crew:
        process = psutil.Process(crew.pid(0))

        def open_when_stopped() -> None:
            while process.status() != psutil.STATUS_STOPPED:
                time.sleep(0.001)
            gate.touch()

        watcher = threading.Thread(target=open_when_stopped, daemon=True)
        watcher.start()
        with inject(SlowWorker(factor=3.0)) as report:
            assert dispatch([Task("wait", "wait_for", str(gate))], crew) == ["there"]
        watcher.join()
        assert process.status() != psutil.STATUS_STOPPED
        assert math.isnan(report.noticed_s) and report.lost_s == 0.0
        assert dispatch([Task("t", "times", 2.0)], crew) == [2.0]


def test_a_fault_whose_moment_never_came_is_told() -> None:
    tasks, told = [Task(f"t{i}", "times", 1.0) for i in range(2)], pytest.raises(InvalidArgument, match="2 tasks began")
    with engine("sequential")(Toy, (), {}, 1) as crew, told, inject(KillWorker(at_task=3)):
        dispatch(tasks, crew)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(KillWorker(), "no processes"), (SlowWorker(), "no processes"), (KillActor(), "needs the engine ray"),
     (KillNode(), "needs the engine ray"), (FillStore(), "needs the engine ray")],
)  # fmt: skip
def test_a_fault_that_does_not_fit_the_engine_is_refused(fault: Any, reason: str) -> None:
    with engine("threads")(Toy, (), {}, 1) as crew, pytest.raises(InvalidArgument, match=reason), inject(fault):
        dispatch([Task("t", "times", 1.0)], crew)
    assert not watchers


def test_a_task_that_kills_each_worker_is_given_up_with_its_killer(name: str) -> None:
    killer = {"ray": "worker process has died", "dask": "died: "}.get(name, "SIGKILL")
    with engine(name)(Toy, (), {}, 1) as crew, pytest.raises(TaskFailed, match=rf"'die' failed 2 times.*{killer}"):
        dispatch([Task("die", "die", None)], crew, max_attempts=2)


DRIVER = """
import json, pickle, sys
from pathlib import Path
from labkit.parallel.dispatch import dispatch
from labkit.parallel.engines import engine
from labkit.parallel.faults import KillDriver, inject
from labkit.parallel.tasks import Task
from tests.parallel.toys import DiesAtFirst, Toy
folder = Path(sys.argv[1])
class Kept:
    def load(self, key): return pickle.loads((folder / key).read_bytes()) if (folder / key).exists() else None
    def save(self, key, value): (folder / key).write_bytes(pickle.dumps(value))
if __name__ == "__main__":
    fault = KillDriver(record=folder / "fault", at_share=0.5)
    with engine("processes")(Toy, (), {}, 2) as crew, inject(fault) as report:
        results = dispatch([Task(f"t{i}", "sleep", 0.05) for i in range(8)], crew, checkpoint=Kept())
    print(json.dumps([results, report.noticed_s, report.recovered_s, report.lost_s, len(report.events)]))
"""


def test_a_killed_driver_is_reported_by_the_one_that_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "")
    assert len(list(tmp_path.glob("t*"))) == 4
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 0, second.stderr
    results, noticed, recovered, lost, n_events = json.loads(second.stdout)
    assert results == [0.05] * 8
    assert 0 < noticed <= recovered + 1e-3 and lost >= 0
    assert n_events == 4 + 4 + 2  # of the first driver, of the second, and what the first one's workers were at
    assert not (tmp_path / "fault").exists()


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[psutil.Process]]:
    """The programs of nodes beside the head's, ended with the module."""
    found: list[psutil.Process] = []
    yield found
    for node in found:
        end_service(node)


@pytest.fixture(scope="module")
def three_nodes(
    ray_cluster: LabFolder, nodes: list[psutil.Process], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabFolder]:
    """A cluster of its own: a head and two nodes of a CPU each, small stores, and a disk that counts as full."""
    folder = LabFolder(tmp_path_factory.mktemp("nodes"))
    folder.ensure()
    write_whole(folder.token, ray_cluster.token.read_text())  # Ray reads the token once a process
    detach()
    tuned = {
        "RAY_health_check_initial_delay_ms": "1000", "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "10000", "RAY_health_check_failure_threshold": "3",
        "RAY_local_fs_capacity_threshold": "0.0001",
    }  # fmt: skip
    try:
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in tuned.items():
                patch.setenv(variable, value)
            head = start_head(folder, port=0, n_cpus=1, store_bytes=80_000_000, with_parent=True)
            attach(folder)
        until = time.monotonic() + 150
        while n_nodes() < 3:
            assert time.monotonic() < until, [log_tail(log) for log in folder.logs.glob("node-*")]
            nodes[:] = [node for node in nodes if outliving([node], 0.0)]  # it gives up where agents start late
            if len(nodes) < n_nodes():  # one after the other: two that start at once may both be too late
                nodes.append(started_node(folder, head.address))
            time.sleep(0.1)
        yield folder
    finally:
        detach()
        while nodes:
            end_service(nodes.pop())
        for scratch in Path(tempfile.gettempdir()).glob(f"labkit-node-{head.address.rpartition(':')[2]}-*"):
            shutil.rmtree(scratch, ignore_errors=True)
        stop_head(folder)
        attach(ray_cluster)


def started_node(folder: LabFolder, address: str) -> psutil.Process:
    # A folder of its own: two that start at once would take the same names for their sockets.
    name = f"{address.rpartition(':')[2]}-{time.time_ns() % 10**9}"
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--block", "--num-cpus=1",
        "--object-store-memory=80000000", "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats",
        f"--temp-dir={tempfile.gettempdir()}/labkit-node-{name}",
    ]  # fmt: skip
    return start_service(
        command, log=folder.logs / f"node-{name}.log", ready=lambda: True, timeout_s=60.0, name="A Ray node",
        with_parent=True, environment=ray_environment(folder),
    )  # fmt: skip


def test_data_that_the_object_store_cannot_take_are_told(three_nodes: LabFolder) -> None:
    with pytest.raises(NotEnoughMemory, match="object store cannot take the shared data"):
        RayCrew(Toy, (), {"rows": bytes(200_000_000)}, 1)


def test_an_actor_that_is_killed_before_its_first_task_is_replaced(three_nodes: LabFolder, tmp_path: Path) -> None:
    with RayCrew(DiesAtFirst, (str(tmp_path / "died"), 2), {}, 1) as crew:
        assert dispatch([Task("t", "double", 4)], crew) == [8]
        found = [each for each in actors(three_nodes) if each["state"] == "ALIVE"]
        assert [each["name"] for each in found] == ["DiesAtFirst"] and not found[0]["working"]
        assert int((tmp_path / "died").read_text()) == 2


def test_actors_that_die_again_and_again_before_their_first_task_end_the_work(
    three_nodes: LabFolder, tmp_path: Path
) -> None:
    with RayCrew(DiesAtFirst, (str(tmp_path / "died"), 99), {}, 1) as crew:
        with pytest.raises(TaskFailed, match="could not begin"):
            dispatch([Task("t", "double", 4)], crew)
        assert int((tmp_path / "died").read_text()) == 4


def test_an_actor_at_work_is_told_from_one_that_waits(three_nodes: LabFolder, tmp_path: Path) -> None:
    with RayCrew(Toy, (), {}, 2) as crew:
        crew.ready()
        crew.submit(1, Task("t", "wait_for", str(tmp_path / "go")))
        until = time.monotonic() + 30
        while [each["working"] for each in actors(three_nodes) if each["pid"] == crew.pid(1)] != [True]:
            assert time.monotonic() < until
        assert [each["working"] for each in actors(three_nodes) if each["pid"] == crew.pid(0)] == [False]
        (tmp_path / "go").touch()


def test_a_store_that_is_filled_says_so_and_lets_small_results_pass(three_nodes: LabFolder) -> None:
    with engine("ray")(Toy, (), {}, 1) as crew:
        for _ in range(20):  # Ray may move to disk what fills the store as fast as it is filled
            with inject(FillStore()) as report:
                assert dispatch([Task(f"t{i}", "times", float(i)) for i in range(3)], crew) == [0.0, 1.0, 2.0]
            if "full" in report.said:
                break
        assert "MB put into a store of 80 MB: then it was full" in report.said

        said = ""
        for _ in range(20):  # or just before the result comes
            try:
                with inject(FillStore()):
                    dispatch([Task("big", "zeros", 4_000_000)], crew)
            except TaskFailed as fault:
                said = str(fault)
                break
        assert "could not bring a result" in said and "full" in said


def test_a_result_that_dies_with_its_node_counts_as_its_worker_lost(
    three_nodes: LabFolder, nodes: list[psutil.Process]
) -> None:
    import ray

    head = find_head(three_nodes)
    assert head is not None
    nodes.append(started_node(three_nodes, head.address))  # the tests after this one need three of them
    until = time.monotonic() + 60
    while n_nodes() < 4:
        assert time.monotonic() < until
        time.sleep(0.1)
    with RayCrew(Toy, (), {}, 3, n_cpus=1.0) as crew:
        crew.ready()
        for worker in range(3):
            crew.submit(worker, Task(f"zeros-{worker}", "zeros", 200_000))  # too large to come with the answer
        assert len(ray.wait(list(crew._running), num_returns=3, timeout=60, fetch_local=False)[0]) == 3
        psutil.Process(crew.raylet()).kill()
        reports = [crew.next_report(60) for _ in range(3)]
        (lost,) = [found[0] for found in reports if found is not None and found[1] is None]
        assert None not in reports and crew.causes[lost]


def test_work_goes_on_when_a_node_dies_and_the_rest_has_room(three_nodes: LabFolder, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    tasks = [Task(f"wait-{i}", "wait_for", str(gate)) for i in range(3)]
    with RayCrew(Toy, (), {}, 2, n_cpus=1.0) as crew, inject(KillNode(at_task=2, after_s=0.2)) as report:
        assert dispatch(tasks, crew, on_event=lambda event: gate.touch()) == ["there"] * 3
    assert 0 < report.noticed_s <= report.recovered_s < math.inf and report.lost_s >= 0.2 - 1e-3


def test_a_node_that_dies_and_leaves_no_room_is_told_and_fewer_workers_finish(
    three_nodes: LabFolder, tmp_path: Path
) -> None:
    gate, kept = tmp_path / "gate", Kept()
    tasks = [Task(f"wait-{i}", "wait_for", str(gate)) for i in range(3)]
    reason = "2 actors of 1 CPUs each need 2 CPUs, and 1 are left on 1 living nodes: room for 1"
    told = pytest.raises(NotEnoughResources, match=reason)
    with RayCrew(Toy, (), {}, 2, n_cpus=1.0) as crew, told, inject(KillNode(at_task=2)) as report:
        dispatch(tasks, crew, on_event=lambda event: gate.touch(), checkpoint=kept)
    assert report.noticed_s > 0 and report.recovered_s == math.inf
    assert 1 <= len(kept) <= 2
    with pytest.raises(NotEnoughResources, match="room for 1"):
        RayCrew(Toy, (), {}, 2, n_cpus=1.0)
    with RayCrew(Toy, (), {}, 1, n_cpus=1.0) as crew:
        assert dispatch(tasks, crew, checkpoint=kept) == ["there"] * 3


def test_the_node_of_this_program_is_not_killed_but_named(three_nodes: LabFolder) -> None:
    told = pytest.raises(ClusterError, match="would take it with them")
    with RayCrew(Toy, (), {}, 1) as crew, told, inject(KillNode()):
        dispatch([Task("t", "times", 1.0)], crew)


def test_a_lost_head_is_told(three_nodes: LabFolder, tmp_path: Path) -> None:
    with RayCrew(Toy, (), {}, 1) as crew, pytest.raises(ClusterError, match="has ended"):
        crew.ready()
        raylet = psutil.Process(crew.pid(0)).parent()
        assert raylet is not None
        threading.Timer(0.5, raylet.kill).start()
        dispatch([Task("wait", "wait_for", str(tmp_path / "never"))], crew)
