"""Ray's autoscaler with the node types of ec2/autoscaler.yaml, on its own provider of nodes that are processes here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / "ec2" / "autoscaler.yaml"


@pytest.mark.timeout(400)
def test_pending_work_brings_nodes_and_idleness_takes_them_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray.cluster_utils import AutoscalingCluster

    settings = yaml.safe_load(FILE.read_text("utf-8"))
    kinds = settings["available_node_types"]
    head, worker = kinds[settings["head_node_type"]], kinds["worker"]
    assert worker["min_workers"] == 0 and worker["max_workers"] == settings["max_workers"]
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a cluster of this test alone, on the loopback address
    n_cpus = worker["resources"]["CPU"]
    cluster = AutoscalingCluster(
        head_resources={"CPU": 0},  # so that all work has to wait for nodes
        worker_node_types={
            "worker": {"resources": {"CPU": n_cpus}, "node_config": {}, "min_workers": 0, "max_workers": 2}
        },
        idle_timeout_minutes=0.1,  # the file's minutes, in a test's time
    )
    assert head["resources"] == worker["resources"]
    cluster.start()
    try:
        ray.init("auto", log_to_driver=False)

        @ray.remote(num_cpus=n_cpus)
        def work() -> str:
            time.sleep(1)
            return ray.get_runtime_context().get_node_id()

        def n_nodes() -> int:
            return sum(node["Alive"] for node in ray.nodes())

        assert n_nodes() == 1
        assert len(set(ray.get([work.remote() for _ in range(8)], timeout=180))) == 2
        assert n_nodes() == 3
        until = time.monotonic() + 120
        while n_nodes() > 1 and time.monotonic() < until:
            time.sleep(1)
        assert n_nodes() == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
