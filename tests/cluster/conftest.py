"""Three hosts with a cluster over them, which a test may damage: what it took away is put back before the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.hosts import Hosts, hosts

RECIPES = "hgb-small,hgb-medium,hgb-large,forest-20,extra-20,logistic-numeric"
HEAD = "10.77.0.1:6379"


def join(cluster: Hosts, host: int, status: int = 0) -> str:
    token = cluster.give_token(0, host)
    return cluster.labkit(host, "cluster", "join", HEAD, "--token-file", token, "--cpus", "1", status=status)


def alive(cluster: Hosts) -> list[str]:
    """Return the addresses of the cluster's living nodes, as its head sees them."""
    found = json.loads(cluster.labkit(0, "cluster", "status", "--json"))
    return sorted(node["host"] for node in found["nodes"])


@pytest.fixture(scope="session")
def three() -> Iterator[Hosts]:
    with hosts(3) as found:
        found.labkit(0, "cluster", "start", "--head", "--cpus", "1")
        yield found


@pytest.fixture
def cluster(three: Hosts) -> Hosts:
    """Three hosts, one CPU each, all of them in."""
    for host in (1, 2):
        if three.lives(host):
            three.heal(host)
            three.firewall(host)
        else:
            three.boot(host)
    living = alive(three)
    for host in (1, 2):
        if three.address(host) not in living:
            three.labkit(host, "cluster", "leave")
            join(three, host)
    assert len(alive(three)) == 3
    return three


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what each fault cost, in seconds, where its test has noted that."""
    costs = [
        (report.nodeid.rpartition("::")[2], value)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "cost" and report.when == "call"
    ]
    if costs:
        terminalreporter.section("what each fault cost, in seconds from it")
    for test, cost in costs:
        terminalreporter.write_line(f"{test}: " + ", ".join(f"{name} {value:g}" for name, value in cost.items()))
