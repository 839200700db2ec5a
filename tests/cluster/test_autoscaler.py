"""ec2/autoscaler.yaml by Ray's own autoscaler, on one host, with Ray's provider of make-believe machines for AWS's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from cluster.ports import HEAD_PORT, HEALTH, node_options
from tests.cluster.hosts import ROOT, Hosts, hosts

RAY = Path(sys.executable).with_name("ray")
KIT = "/srv/labkit/current/.venv/bin/ray"
# Asks for what three nodes have, says how many there were, and how many are left once they have idled.
WORK = """
import json, sys, time
import ray
ray.init(address="auto", logging_level="error")

def workers():
    return sum(node["Alive"] for node in ray.nodes()) - 1

@ray.remote(num_cpus=2)
def there(n):
    while workers() < n:
        time.sleep(0.5)
    return ray.get_runtime_context().get_node_id()

before, n = workers(), int(sys.argv[1])
at = set(ray.get([there.remote(n) for _ in range(n + 1)], timeout=120))
most, until = workers(), time.monotonic() + 120
while workers() and time.monotonic() < until:
    time.sleep(0.5)
print(json.dumps({"before": before, "most": most, "at": len(at), "after": workers()}))
"""


def described() -> dict[str, Any]:
    """Return what `ray up` makes of the file: with Ray's defaults, and checked by Ray."""
    config = dict(prepare_config(yaml.safe_load((ROOT / "ec2" / "autoscaler.yaml").read_text("utf-8"))))
    validate_config(config)
    return config


@pytest.fixture(scope="module")
def host() -> Iterator[Hosts]:
    with hosts(1) as found:
        yield found


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_nodes_take_the_ports_and_the_token_that_joining_hosts_take(kind: str) -> None:
    *_, command = described()[f"{kind}_start_ray_commands"]
    assert {*node_options()} <= {*command.split()}
    assert {"RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN_PATH=~/labkit-token"} <= {*command.split()}
    if kind == "head":
        assert {f"{name}={value}" for name, value in HEALTH.items()} <= {*command.split()}
        assert f"--port={HEAD_PORT}" in command.split()


def test_nothing_is_installed_but_the_boto3_that_fits_the_kits_botocore() -> None:
    locked = (ROOT / "locks" / "image.txt").read_text("utf-8")
    version = next(line.split()[0] for line in locked.splitlines() if line.startswith("botocore=="))
    found = described()
    (command,) = found["head_setup_commands"]
    assert version.replace("botocore", "boto3") in command.split()
    assert found["setup_commands"] == found["worker_setup_commands"] == []


def test_waiting_work_brings_nodes_and_idleness_takes_them_away(host: Hosts) -> None:
    found = described()
    config = found | {
        "provider": {
            "type": "fake_multinode", "use_node_id_as_ip": True, "disable_node_updaters": True,
            "disable_launch_config_check": True,
        }, "auth": {}, "idle_timeout_minutes": 0.1, "file_mounts": {},
        "head_node_type": "ray.head.default",  # the one that this provider knows
        "available_node_types": {
            "ray.head.default": found["available_node_types"]["head"] | {"node_config": {}},
            "worker": found["available_node_types"]["worker"] | {"node_config": {}},
        },
    }  # fmt: skip
    host.run(0, "sh", "-c", f"cat >~/ray_bootstrap_config.yaml <<'END'\n{json.dumps(config)}\nEND")
    host.run(0, "sh", "-c", "umask 022 && od -An -N 32 -t x1 /dev/urandom | tr -d ' \\n' >~/labkit-token")
    quick = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "RAY_enable_autoscaler_v2": "0"}
    for command in found["head_start_ray_commands"]:
        host.run(0, "bash", "-c", command.replace(KIT, str(RAY)) + (" --num-cpus=2" if KIT in command else ""), **quick)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/tmp/labkit-token"}
    assert host.run(0, "stat", "-c", "%a", "/tmp/labkit-token").stdout.strip() == "600"
    done = host.run(0, sys.executable, "-c", WORK, "2", timeout_s=300, **token)
    assert json.loads(done.stdout.splitlines()[-1]) == {"before": 0, "most": 2, "at": 3, "after": 0}
