"""Three hosts at full load: does one count as dead that lives? `python -m tests.cluster.soak MINUTES` (20 by default).

Every host hands out as many CPUs as this machine has, so that three times as much runs here as it has cores; each task
computes for 0.5 s and takes 8 MB from, and gives 8 MB to, the object store. The head's list of nodes is read all along:
a node that it lost, or a task that had to be done again, ends the soak with status 1. What ends is printed as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from cluster.ports import HEALTH
from labkit import host
from tests.cluster.conftest import HEAD
from tests.cluster.hosts import Hosts, hosts

N_HOSTS = 3
WORK = """
import collections, json, sys, time
import numpy as np
from labkit.lab import start
start().attach()
import ray
minutes, n_cpus = float(sys.argv[1]), int(sys.argv[2])

@ray.remote(max_retries=0)
def spin(block):
    begun = time.process_time()
    while time.process_time() - begun < 0.5:
        block = np.sqrt(block * block + 1.0)
    return ray.get_runtime_context().get_node_id()[:8], block

block = ray.put(np.ones(1_000_000))
began, done, lost, failed, widest_s = time.monotonic(), collections.Counter(), {}, 0, 0.0
waiting = {spin.remote(block) for _ in range(n_cpus * 2)}
while waiting:
    ready, _ = ray.wait([*waiting], timeout=2.0)
    for ref in ready:
        waiting.discard(ref)
        try:
            done[ray.get(ref)[0]] += 1
        except ray.exceptions.RayError:
            failed += 1
        if time.monotonic() - began < 60 * minutes:
            waiting.add(spin.remote(block))
    asked = time.monotonic()
    lost |= {node["NodeID"][:8]: node.get("DeathReasonMessage") for node in ray.nodes() if not node["Alive"]}
    widest_s = max(widest_s, time.monotonic() - asked)
print(json.dumps({"seconds": round(time.monotonic() - began, 1), "tasks_by_node": done, "tasks_failed": failed,
                  "nodes_lost": lost, "head_answered_within_s": round(widest_s, 2)}))
"""


def soak(cluster: Hosts, minutes: float) -> dict[str, Any]:
    """Load three hosts for a time, in minutes; return tasks by node, and what was lost."""
    n_cpus = str(host.usable_cpus())
    cluster.labkit(0, "cluster", "start", "--head", "--cpus", n_cpus)
    for at in range(1, N_HOSTS):
        token = cluster.give_token(0, at)
        cluster.labkit(at, "cluster", "join", HEAD, "--token-file", token, "--cpus", n_cpus)
    idle = [round(sum(map(_pss_bytes, cluster.all_processes(at))) / 2**20) for at in range(N_HOSTS)]
    total = str(N_HOSTS * int(n_cpus))
    done = cluster.run(0, sys.executable, "-c", WORK, str(minutes), total, timeout_s=60 * minutes + 600)
    found = dict(json.loads(done.stdout.splitlines()[-1]))
    return {
        "minutes": minutes, "host": host.fingerprint()["digest"], "cpus_by_host": int(n_cpus),
        "load": round(os.getloadavg()[0], 1), "idle_pss_mib_by_host": idle, **HEALTH, **found,
    }  # fmt: skip


def _pss_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return 0


def main(minutes: float) -> int:
    began = time.monotonic()
    try:
        with hosts(N_HOSTS) as cluster:
            found = soak(cluster, minutes)
    except (pytest.skip.Exception, subprocess.TimeoutExpired) as fault:
        print(f"no soak: {fault}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=1))
    print(f"in all {time.monotonic() - began:.0f} s", file=sys.stderr)
    return int(bool(found["nodes_lost"] or found["tasks_failed"] or len(found["tasks_by_node"]) < N_HOSTS))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
