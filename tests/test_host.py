from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit import host

V1_NO_LIMIT = "9223372036854771712"


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_process_is_alive_and_a_negative_or_huge_number_is_nobody():
    assert host.is_alive(os.getpid(), psutil.Process().create_time())
    assert host.is_alive(os.getpid(), None)
    assert not any(host.is_alive(pid, None) for pid in (-1, 0, 2**40, 2**70))


def test_another_process_with_the_same_number_is_not_taken_for_the_one_meant():
    created = psutil.Process().create_time()
    assert host.is_alive(os.getpid(), created + 0.5)
    assert not host.is_alive(os.getpid(), created - 60.0)


def test_zombie_counts_as_dead():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        until = time.monotonic() + 20
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.01)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert not host.is_alive(child.pid, None)
    finally:
        child.wait()
    assert not host.is_alive(child.pid, None)


def test_counts_of_this_machine_fit_together():
    assert 1 <= host.physical_cores() <= host.usable_cpus() <= (os.cpu_count() or 1)
    assert 0 < host.available_memory_bytes() <= host.memory_bytes() <= psutil.virtual_memory().total


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux: affinity of a process")
def test_affinity_limits_usable_cpus():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert host.usable_cpus() == host.physical_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_strictest_quota_of_nested_cgroups_holds(tmp_path):
    _write(tmp_path, {
        "proc/self/cgroup": "0::/slice/box\n",
        "sys/fs/cgroup/slice/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/slice/box/cpu.max": "max 100000\n",
    })  # fmt: skip
    assert host.cpu_quota(tmp_path) == 1.5


def test_quota_of_old_cgroups_is_read_where_the_container_hides_its_path(tmp_path):
    _write(tmp_path, {
        "proc/self/cgroup": "3:cpu,cpuacct:/docker/unseen\n2:memory:/docker/unseen\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "700\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
    })  # fmt: skip
    assert host.cpu_quota(tmp_path) == 4.0
    assert (1000.0, 500.0) in host.memory_limits(tmp_path)


@pytest.mark.parametrize("quota", ["max 100000", "", "-1 100000", "nonsense"])
def test_no_quota_is_more_than_any_machine_has(tmp_path, quota):
    _write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert host.cpu_quota(tmp_path) > 1e6


def test_memory_that_the_kernel_gives_back_first_does_not_count_as_used(tmp_path):
    _write(tmp_path, {
        "proc/self/cgroup": "0::/box\n",
        "sys/fs/cgroup/box/memory.max": "1000\n",
        "sys/fs/cgroup/box/memory.current": "900\n",
        "sys/fs/cgroup/box/memory.stat": "anon 300\ninactive_file 600\n",
        "sys/fs/cgroup/memory.max": "max\n",
    })  # fmt: skip
    assert host.memory_limits(tmp_path) == [(float("inf"), 0.0), (1000.0, 300.0)]


def test_two_threads_of_one_core_are_one_core(tmp_path):
    cpu = "sys/devices/system/cpu/cpu{}/topology/core_cpus_list"
    _write(tmp_path, {cpu.format(n): siblings for n, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"])})
    assert host.n_cores({0, 1, 2, 3}, tmp_path) == 2
    assert host.n_cores({0, 2}, tmp_path) == 1
    assert host.n_cores({0, 1, 2, 3}, tmp_path / "untold") == 4


def test_fingerprint_is_plain_json_and_names_no_machine():
    found = host.fingerprint()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert platform.node() not in text.split('"')
    assert found["packages"]["numpy"] and len(found["digest"]) == 12
    assert host.fingerprint()["digest"] == found["digest"]


def test_host_and_files_load_none_of_the_heavy_packages():
    code = (
        "import sys, labkit.host, labkit.files.folder, labkit.files.urls;"
        "print([n for n in ('sqlalchemy', 'numpy', 'polars', 'ray', 'sklearn', 'skops', 'fsspec') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
