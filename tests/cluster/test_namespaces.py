"""Hosts leave nothing behind, however the process that made them ends. Takes some 5 s."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.hosts import ROOT, hosts

MAKE = """
import time
from tests.cluster.hosts import hosts
with hosts(2) as made:
    made.run(1, "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 &")
    print(*made.networks, flush=True)
    time.sleep(60)
"""


def living(networks: set[str]) -> list[str]:
    """Return the processes that keep one of these networks."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(place / "ns" / "net") in networks:
                found.append((place / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.fixture(autouse=True)
def able() -> None:
    with hosts(1):  # skips where this machine cannot have hosts
        pass


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
def test_hosts_and_their_firewalls_go_with_the_process_that_made_them(sent: signal.Signals) -> None:
    named = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    rules = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout
    maker = subprocess.Popen([sys.executable, "-c", MAKE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    networks = set(maker.stdout.readline().split())
    assert len(networks) == 3 and any("sleep 600" in each for each in living(networks))
    maker.send_signal(sent)
    maker.communicate(timeout=20)
    until = time.monotonic() + 10
    while living(networks) and time.monotonic() < until:
        time.sleep(0.05)
    assert living(networks) == []
    assert subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout == named
    assert subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout == rules
