from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster.node import end_leftovers
from labkit.errors import ClusterError, LabError, PortInUse
from labkit.files.folder import LabFolder
from labkit.parallel import head
from labkit.parallel.cluster import attach, nodes, within
from labkit.parallel.head import Head, find_head, start_head, stop_head, token
from labkit.parallel.service import check_port, end_service, free_port, log_tail, outliving, start_service


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


def test_attaching_again_does_nothing_and_nodes_have_fingerprints(ray_cluster: LabFolder) -> None:
    found = find_head(ray_cluster)
    assert found is not None and attach(ray_cluster) == found.address
    (node,) = nodes()
    assert node["cpus"] == 4 and node["fingerprint"]["cpu_model"]


def test_starting_a_head_that_runs_returns_it(ray_cluster: LabFolder) -> None:
    assert start_head(ray_cluster, port=0) == find_head(ray_cluster)


def test_a_node_serves_when_its_agents_do_and_one_that_gave_up_is_told(lab_folder: LabFolder) -> None:
    session = head.session_folder(lab_folder) / "session_latest"
    for folder in ("logs", "sockets"):
        (session / folder).mkdir(parents=True)
    try:
        (session / "sockets" / "raylet").touch()
        (session / "runtime_env_agent_port_ab").touch()
        assert not head._serves(lab_folder)
        (session / "dashboard_agent_listen_port_ab").touch()
        assert head._serves(lab_folder)
        (session / "logs" / "raylet.out").write_text("failed: Timed out waiting for file /tmp/x")
        with pytest.raises(ClusterError, match="too busy to start a Ray node"):
            head._serves(lab_folder)
    finally:
        shutil.rmtree(head.session_folder(lab_folder))


@pytest.mark.parametrize("n_failures", [2, 3])
def test_a_head_that_gave_up_is_started_again_but_not_for_ever(
    lab_folder: LabFolder, monkeypatch: pytest.MonkeyPatch, n_failures: int
) -> None:
    tried = []

    def start(*_: object, **__: object) -> psutil.Process:
        tried.append(1)
        if len(tried) <= n_failures:
            raise head._TooSlow("too busy")
        return psutil.Process()

    monkeypatch.setattr(head, "start_service", start)
    if n_failures == 3:
        with pytest.raises(ClusterError, match="too busy"):
            start_head(lab_folder, port=0)
        return
    assert start_head(lab_folder, port=0).pid == os.getpid() and len(tried) == 3
    (lab_folder.root / "head.json").unlink()


def attach_elsewhere(folder: LabFolder, address: str, before: str = "", **changes: str) -> str:
    """Attach in a fresh process; return what it said."""
    program = (
        f"{before}\nfrom pathlib import Path\nfrom labkit.files.folder import LabFolder\n"
        "from labkit.parallel.cluster import attach\nfrom labkit.errors import LabError\n"
        f"try:\n    print(attach(LabFolder(Path({str(folder.root)!r})), {address!r}))\n"
        "except LabError as fault:\n    print(type(fault).__name__, fault)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**environment, **changes}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_killed_head_has_left_is_ended_and_who_reads_its_log_is_not(lab_folder: LabFolder) -> None:
    first = psutil.Process(start_head(lab_folder, port=0, n_cpus=1, with_parent=True).pid)
    everyone = first.children(recursive=True)
    log = next(head.session_folder(lab_folder).glob("session_latest/logs/gcs*.out"))
    with subprocess.Popen(["tail", "-f", log], stdout=subprocess.DEVNULL) as reader:
        try:
            for process in (first, *(each for each in everyone if each.name() in ("raylet", "gcs_server"))):
                process.kill()
            shutil.rmtree(head.session_folder(lab_folder), ignore_errors=True)  # as `labkit cluster stop` does
            end_leftovers(lab_folder)
            assert not outliving(everyone, 10.0)  # a tracker of its dashboard ends a moment after it, by itself
            assert reader.poll() is None
        finally:
            reader.kill()
            stop_head(lab_folder)


def test_a_program_that_imported_ray_first_can_attach(ray_cluster: LabFolder) -> None:
    found = find_head(ray_cluster)
    assert found is not None
    assert attach_elsewhere(ray_cluster, found.address, "import ray") == f"{found.address}\n"


def test_attaching_leaves_a_program_its_own_handler_of_sigterm(ray_cluster: LabFolder) -> None:
    found = find_head(ray_cluster)
    before = "import signal, atexit\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
    before += "atexit.register(lambda: print(signal.getsignal(signal.SIGTERM) is signal.default_int_handler))"
    assert found is not None and "True" in attach_elsewhere(ray_cluster, found.address, before)


def test_a_wrong_token_is_refused(ray_cluster: LabFolder, tmp_path: Path) -> None:
    found, wrong = find_head(ray_cluster), tmp_path / "token"
    wrong.write_text("0" * 64)
    assert found is not None
    said = attach_elsewhere(ray_cluster, found.address, RAY_AUTH_TOKEN_PATH=str(wrong))
    assert "ClusterError" in said and "token" in said


def test_a_cluster_of_another_version_of_ray_is_refused(ray_cluster: LabFolder) -> None:
    found = find_head(ray_cluster)
    assert found is not None
    said = attach_elsewhere(ray_cluster, found.address, "import ray\nray.__version__ = '1.0.0'")
    assert "ClusterError" in said and "another version of Ray" in said and "1.0.0" in said


def test_nothing_that_answers_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"No Ray cluster answers at 127.0.0.1:9"):
        attach(LabFolder(tmp_path), "127.0.0.1:9")


def test_the_token_is_made_once_and_only_its_owner_reads_it(lab_folder: LabFolder) -> None:
    path = token(lab_folder)
    content = path.read_text()
    assert path.stat().st_mode & 0o077 == 0 and len(content) == 64
    assert token(lab_folder).read_text() == content


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_record_that_cannot_be_read_is_no_head(lab_folder: LabFolder, content: str) -> None:
    (lab_folder.root / "head.json").write_text(content)
    assert find_head(lab_folder) is None


def test_a_number_that_another_process_has_now_is_no_head(lab_folder: LabFolder) -> None:
    other = Head("127.0.0.1:1", 1, os.getpid(), created=1.0)
    (lab_folder.root / "head.json").write_text(json.dumps(other.__dict__))
    assert find_head(lab_folder) is None


def test_a_port_in_use_names_its_holder(listener: int) -> None:
    with pytest.raises(PortInUse, match=rf"port {listener}, and .*process {os.getpid()}.*--port"):
        check_port(listener, "A test", "--port")


def test_a_service_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no licence'); raise SystemExit(3)"]
    with pytest.raises(LabError, match=r"(?s)status 3.*no licence"):
        start_service(command, log=tmp_path / "log", ready=lambda: False, timeout_s=30, name="It")


def test_a_service_that_never_serves_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
    with pytest.raises(LabError, match="did not serve within 3 s"):
        start_service(command, log=tmp_path / "log", ready=lambda: False, timeout_s=3, name="It")
    assert "up" in log_tail(tmp_path / "log")


def test_ending_a_service_ends_what_it_started_though_it_ignores_being_asked(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\nprint('up', flush=True)\n"
        "time.sleep(600)"
    )
    log = tmp_path / "log"
    process = start_service(
        [sys.executable, "-c", program], log=log, ready=lambda: "up" in log_tail(log), timeout_s=30, name="It"
    )
    family = [process, *process.children()]
    assert len(family) == 2
    end_service(process, 0.5)
    assert outliving(family, 5.0) == []


def test_a_free_port_can_be_had() -> None:
    check_port(free_port(), "A test", "--port")


def test_ray_is_started_by_a_path_without_spaces_whatever_the_clone_is_called(lab_folder: LabFolder) -> None:
    # Ray's raylet dies silently where its interpreter's path has a space.
    python = head._python(lab_folder)
    try:
        assert python.isascii() and " " not in python
        program = "import labkit, ray, sys; print(sys.prefix)"
        assert " " not in subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout
    finally:
        head.stop_head(lab_folder)


def test_who_asks_a_cluster_that_does_not_answer_is_told(lab_folder: LabFolder) -> None:
    never = threading.Event()
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"did not answer within"):
        within(0.2, never.wait)
    assert time.monotonic() - begun < 5.0
    with pytest.raises(ClusterError, match="could not answer: no such thing"):
        within(5.0, _fail)
    assert within(5.0, max, 1, 2) == 2


def _fail() -> None:
    raise RuntimeError("no such thing")


def test_what_each_process_of_ray_imports_holds_no_grammar_to_be_compiled() -> None:
    # jsonschema 4.25 and newer make Lark compile that of RFC 3987: two thirds of the time of importing Ray.
    program = "import ray, sys; print([name for name in ('lark', 'rfc3987_syntax') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
