from __future__ import annotations

import asyncio
import concurrent.futures
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.deps import Context
from api.metrics import Host, Recent
from api.services import metrics
from labkit.errors import StorageError


def test_percentiles_are_those_of_the_last_ten_whole_seconds_within_five_percent() -> None:
    recent = Recent()
    recent.add(89.5, 9.0, 500)  # too long ago
    for n in range(1, 1001):
        recent.add(95.0 + n / 1001, n / 1e3, 503 if n % 100 == 0 else 200)  # 1 ms to 1 s
    recent.add(100.2, 9.0, 500)  # in the second that goes on
    found = recent.summary(100.4)
    assert found["per_s"] == 100.0 and found["errors_per_s"] == 1.0
    for name, right in (("p50_ms", 500), ("p95_ms", 950), ("p99_ms", 990)):
        assert found[name] == pytest.approx(right, rel=0.05)


def test_a_server_that_nobody_asks_has_no_percentiles() -> None:
    found = Recent().summary(5.0)
    assert found == {"per_s": 0.0, "errors_per_s": 0.0, "p50_ms": None, "p95_ms": None, "p99_ms": None}


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_an_answer_of_any_length_is_counted(seconds: float) -> None:
    recent = Recent()
    recent.add(1.0, seconds, 200)
    assert recent.summary(2.0)["per_s"] == 0.1


def test_the_cpus_are_measured_since_the_last_call_whichever_thread_asks(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    for _ in range(2):
        until = time.perf_counter() + 0.3
        while time.perf_counter() < until:
            pass
        with concurrent.futures.ThreadPoolExecutor(1) as fresh:
            found = fresh.submit(host.now).result()
        assert sum(found["cores"]) > 0.3 and all(0 <= core <= 1 for core in found["cores"])


def test_what_was_measured_before_is_kept_and_shown(client: TestClient) -> None:
    until = time.monotonic() + 30
    while not (found := client.get("/metrics/history").json()):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert {"at", "cores", "requests", "cluster", "runs"} <= set(found[0])


def test_however_many_follow_one_sample_is_measured_a_second(client: TestClient, monkeypatch: Any) -> None:
    context: Context = client.app.state.context  # type: ignore[attr-defined]
    measured = []
    monkeypatch.setattr(context.host, "now", lambda now=context.host.now: measured.append(1) or now())

    async def ask() -> list[dict[str, Any]]:
        context.sampling, context.sampled_s = asyncio.Lock(), float("-inf")
        return await asyncio.gather(*(metrics.fresh(context, 60.0) for _ in range(20)))

    found = asyncio.run(ask())
    assert len(measured) == 1 and all(each is found[0] for each in found)


def test_a_database_that_is_gone_leaves_the_host_measured(client: TestClient, monkeypatch: Any) -> None:
    context: Context = client.app.state.context  # type: ignore[attr-defined]

    def gone(*_: Any) -> None:
        raise StorageError("The database is gone.")

    async def ask() -> dict[str, Any]:
        context.sampling, context.sampled_s = asyncio.Lock(), float("-inf")
        return await metrics.fresh(context, 1.0)

    before = context.sample.get("at")
    monkeypatch.setattr(type(context.lab.runs), "list", gone)
    found = asyncio.run(ask())
    assert found["at"] != before and found["runs"] == []
