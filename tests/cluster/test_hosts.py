from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.cluster.conftest import HEAD, RECIPES, alive, join
from tests.cluster.hosts import Hosts

DAYS = "40"
WORK = ("train", "--days", DAYS, "--recipes", RECIPES, "--json")


@pytest.fixture(scope="session")
def digest(three: Hosts) -> str:
    """What one host alone comes to."""
    return str(json.loads(three.labkit(0, *WORK, "--engine", "sequential", timeout_s=600))["results"]["digest"])


pytestmark = pytest.mark.timeout(1800)


def begun(cluster: Hosts, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a training, and return it with a host other than the head's that works on it."""
    process = cluster.start(0, *WORK, *arguments)
    until = time.monotonic() + 480
    while process.poll() is None and time.monotonic() < until:
        for host in (1, 2):
            if cluster.trains(host):
                time.sleep(1.0)
                return process, host
        time.sleep(0.2)
    raise AssertionError(process.communicate())


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return dict(json.loads(out))


def cost(record: dict[str, Any], struck_s: float) -> dict[str, float]:
    """Return when a fault was noticed and when the work ran again, in seconds from it, and what work was lost."""
    lost = [event for event in record["events"] if event["error"]]
    assert lost, "nothing was lost: the fault struck nobody"
    again = [
        event["started_s"] for event in record["events"]
        if not event["error"] and event["task"] in {each["task"] for each in lost} and event["attempt"] > 1
    ]  # fmt: skip
    return {
        "noticed_s": round(min(event["received_s"] for event in lost) - struck_s, 1),
        "recovered_s": round(max(again) - struck_s, 1),
        # When a lost task began died with its worker; its actor ran one at a time, at the earliest from its submission.
        "lost_at_most_s": round(max(struck_s - event["submitted_s"] for event in lost), 1),
    }


@pytest.mark.parametrize("by", ["model", "shard"])
def test_training_over_three_hosts_ends_with_the_digest_of_one(cluster: Hosts, digest: str, by: str) -> None:
    days = ("--days", "12") if by == "shard" else ()
    record = json.loads(cluster.labkit(0, *WORK, "--workers", "3", "--by", by, *days, timeout_s=600))
    assert len({event["node"] for event in record["events"]}) == 3
    wanted = digest
    if by == "shard":
        wanted = json.loads(cluster.labkit(0, *WORK, "--engine", "sequential", "--by", by, *days))["results"]["digest"]
    assert record["results"]["digest"] == wanted
    # The hosts share no disk: shards came by the object store.
    assert cluster.run(1, "ls", "/mnt/lab/data").stdout == ""
    assert [cluster.n_dropped(host) for host in range(3)] == [0, 0, 0], "a port that is not documented is needed"


def test_training_goes_on_when_a_raylet_is_killed(cluster: Hosts, digest: str, record_property: Any) -> None:
    process, host = begun(cluster, "--workers", "2")
    struck_s = time.time()
    cluster.kill_raylet(host)
    record = ended(process)
    assert record["results"]["digest"] == digest
    record_property("cost", cost(record, struck_s))
    said = cluster.labkit(0, "cluster", "status")
    assert f"at {cluster.address(host)}" in said and "Lost:" in said


def test_training_goes_on_when_a_link_is_cut(cluster: Hosts, digest: str, record_property: Any) -> None:
    process, host = begun(cluster, "--workers", "2")
    struck_s = time.time()
    cluster.cut(host)
    record = ended(process)
    assert record["results"]["digest"] == digest
    record_property("cost", cost(record, struck_s))


def test_training_goes_on_when_a_host_crashes(cluster: Hosts, digest: str, record_property: Any) -> None:
    process, host = begun(cluster, "--workers", "2")
    struck_s = time.time()
    cluster.crash(host)
    record = ended(process)
    assert record["results"]["digest"] == digest
    record_property("cost", cost(record, struck_s))
    cluster.boot(host)
    said = cluster.labkit(host, "cluster", "status", status=5)  # nothing of its memory or disk is left
    assert "No Ray cluster runs for this lab" in said


def test_too_few_cpus_for_the_actors_are_told_and_the_run_is_resumed_on_a_new_host(
    cluster: Hosts, digest: str, record_property: Any
) -> None:
    process, host = begun(cluster, "--workers", "3")
    struck_s = time.time()
    cluster.kill_raylet(host)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 4, said
    assert "room for 2. Add a node or take fewer workers, and resume" in " ".join(said.split())
    record_property("cost", {"told_s": round(time.time() - struck_s, 1)})
    run = json.loads(cluster.labkit(0, "runs", "list", "--json"))[0]["id"]
    cluster.labkit(host, "cluster", "leave")
    join(cluster, host)
    record = json.loads(cluster.labkit(0, *WORK, "--workers", "3", "--resume", run, timeout_s=600))
    assert record["results"]["digest"] == digest


def test_leaving_warns_where_the_others_cannot_hold_the_actors(cluster: Hosts, digest: str) -> None:
    process, host = begun(cluster, "--workers", "3", "--days", "200")  # enough work to be left in the middle of it
    said = cluster.labkit(host, "cluster", "leave", "--yes")
    assert "3 actors take 3 CPUs, and without this host 2 are left on 2 nodes: 1 would wait for ever" in said
    assert f"left the cluster at {HEAD}" in said
    _, said = process.communicate(timeout=300)
    assert process.returncode == 4, said
    assert alive(cluster) == sorted({cluster.address(0), cluster.address(3 - host)})


def test_leaving_says_nothing_where_they_can(cluster: Hosts) -> None:
    assert cluster.labkit(1, "cluster", "leave") == f"This host has left the cluster at {HEAD}.\n"
    assert "is in no cluster" in cluster.labkit(1, "cluster", "leave")


@pytest.mark.parametrize(
    ("opened", "named"),
    [
        (("6379", "6381:6385", "10002:10100"), "6380"),
        (("6379:6380", "6382:6385", "10002:10100"), "6381"),
        (("6379:6385",), "10002 to 10100"),
    ],
)
@pytest.mark.parametrize("side", ["head", "here"])
def test_a_closed_port_is_named_with_the_host_that_it_is_on(
    cluster: Hosts, opened: tuple[str, ...], named: str, side: str
) -> None:
    cluster.labkit(1, "cluster", "leave")
    where = 0 if side == "head" else 1
    cluster.firewall(where, opened)
    try:
        said = " ".join(join(cluster, 1, status=5).split())
    finally:
        cluster.firewall(where)
    # A node that the head cannot ask at all is lost before anybody can look from there.
    assert f"port{'s' if ' ' in named else ''} {named} of {cluster.address(where)}" in said or (
        side == "here" and f"{cluster.address(1)}" in said and "6379 to 6385" in said
    ), said
    assert cluster.processes(1, "raylet") == [], "a node that may not join is left behind"


def test_what_keeps_a_host_from_joining_is_told(cluster: Hosts, record_property: Any) -> None:
    cluster.labkit(1, "cluster", "leave")
    token = cluster.give_token(0, 1)
    begun_s = time.monotonic()
    assert "No Ray head answers at 10.77.0.9:6379" in cluster.labkit(
        1, "cluster", "join", "10.77.0.9:6379", "--token-file", token, status=5
    )
    cluster.firewall(0, ("6380:6385", "10002:10100"))
    try:
        assert "open TCP port 6379 there" in cluster.labkit(1, "cluster", "join", HEAD, "--token-file", token, status=5)
    finally:
        cluster.firewall(0)
    cluster.run(1, "sh", "-c", "umask 077; printf 0%.0s $(seq 64) > /mnt/wrong")
    said = cluster.labkit(1, "cluster", "join", HEAD, "--token-file", "/mnt/wrong", status=5)
    assert "refused this host's token" in said
    readable = cluster.give_token(0, 1, "/mnt/readable", mode="644")
    said = cluster.labkit(1, "cluster", "join", HEAD, "--token-file", readable, status=5)
    assert "readable by others: chmod 600" in said
    program = "import ray; ray.__version__ = '1.0.0'; from labkit.cli import main; main()"
    done = cluster.run(1, sys.executable, "-c", program, "cluster", "join", HEAD, "--token-file", token, check=False)
    assert done.returncode == 5 and "Ray 2." in done.stderr and "there and 1.0.0 here" in done.stderr
    record_property("cost", {"five_refusals_s": round(time.monotonic() - begun_s, 1)})
    assert "has a Ray node already" in cluster.labkit(0, "cluster", "join", "10.77.0.2:6379", status=5)
    assert "cannot leave it" in cluster.labkit(0, "cluster", "leave", status=5)


def test_a_crashed_head_that_starts_again_leaves_no_run_running(
    cluster: Hosts, digest: str, record_property: Any
) -> None:
    process, _ = begun(cluster, "--workers", "2")
    struck_s = time.time()
    for name in ("raylet", "gcs_server"):
        for pid in cluster.processes(0, name):
            os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 5, said
    told_s = time.time()
    run = json.loads(cluster.labkit(0, "runs", "list", "--json"))[0]
    assert run["status"] in ("failed", "interrupted")
    _restart(cluster)
    served_s = time.time()
    record = json.loads(cluster.labkit(0, *WORK, "--workers", "3", "--resume", run["id"], timeout_s=600))
    assert record["results"]["digest"] == digest
    record_property("cost", {
        "told_s": round(told_s - struck_s, 1), "three_nodes_again_s": round(served_s - told_s, 1),
        "resumed_to_its_end_s": round(time.time() - served_s, 1),
        "tasks_kept": sum(event["started_s"] < struck_s and not event["error"] for event in record["events"]),
        "tasks_again": sum(event["started_s"] > struck_s for event in record["events"]),
    })  # fmt: skip


def test_a_head_host_that_crashes_with_its_programs_leaves_no_run_running(cluster: Hosts, digest: str) -> None:
    process, _ = begun(cluster, "--workers", "2")
    # All that a crash of the machine ends, and its disk stays: also the training itself, which can record nothing.
    for pid in sorted(cluster.all_processes(0), reverse=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    listed = json.loads(cluster.labkit(0, "runs", "list", "--json"))
    assert [run["id"] for run in listed if run["status"] in ("running", "waiting")] == []
    assert listed[0]["status"] == "interrupted"
    _restart(cluster)
    record = json.loads(cluster.labkit(0, *WORK, "--workers", "3", "--resume", listed[0]["id"], timeout_s=600))
    assert record["results"]["digest"] == digest


def _restart(cluster: Hosts) -> None:
    cluster.labkit(0, "cluster", "stop")
    for host in (1, 2):
        cluster.labkit(host, "cluster", "leave")
    cluster.labkit(0, "cluster", "start", "--head", "--cpus", "1")
    for host in (1, 2):
        join(cluster, host)
