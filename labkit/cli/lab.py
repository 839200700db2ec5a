"""`labkit lab`: everything at once, in the foreground, and all of it gone when it ends."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import typer

from labkit import host
from labkit.classroom.proxied import PANEL
from labkit.classroom.text import t
from labkit.cli.app import app
from labkit.cli.bench import QUICK, run_benchmark, show_benchmark
from labkit.cli.options import RayPort, numbers
from labkit.cli.show import console, progress
from labkit.cli.train import show_training, train_with_progress
from labkit.errors import LabError, UnknownName
from labkit.files.whole import write_whole
from labkit.lab import Lab, start
from labkit.parallel.head import DEFAULT_PORT, check_port_number, find_head, start_head, stop_head
from labkit.parallel.service import LOOPBACK, answers, check_port, end_service, start_service
from labkit.runner import ROOT, notebooks

# Nobody in a lesson wants JupyterLab's question whether it may fetch news.
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
_NEWS_SETTINGS = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
_JUPYTER_TIMEOUT_S = 90.0
_WORKSPACE, ADDRESS_FILE = "lesson", "services-address"


@app.command()
def lab(
    port: int = typer.Option(8888, help="Port of JupyterLab."),
    ray_port: RayPort = DEFAULT_PORT,
    api_port: int = typer.Option(8000, help="Port of the services."),
    browser: bool = typer.Option(True, help="Open a browser where there is a screen."),
    once: bool = typer.Option(False, "--once", help="End when the table is printed instead of staying."),
) -> None:
    """Prepare the flights, start Ray, JupyterLab and the services, train, measure the first speedup table, and stay.

    What was done before is skipped. Ctrl-C ends JupyterLab, its notebooks, the services and the Ray head.
    """
    opened = start()
    check_port_number(ray_port)
    with opened.folder.lease("lab", "open this lab").acquired(), contextlib.ExitStack() as stack:
        check_port(check_port_number(port), "JupyterLab", "--port")
        check_port(check_port_number(api_port), "The services", "--api-port")
        ending: list[Callable[[], object]] = []
        stack.callback(_end, ending)
        days = int(str(QUICK["days"]))
        with progress("Flights") as tell:
            opened.prepare(days=days, on_progress=tell)
        _ensure_cluster(opened, ray_port, ending)
        with progress("Services"):  # first, since JupyterLab asks only at its own start where they are
            services, url = start_services(opened, api_port, jupyter=f"http://{LOOPBACK}:{port}/")
        ending.append(lambda: end_service(services))
        with progress("JupyterLab"):
            process, address = start_jupyter(opened, port, browser and _has_screen())
        ending.append(lambda: end_service(process))
        console.print(f"JupyterLab: {address}\nServices: {url}", highlight=False, soft_wrap=True)
        _ensure_model(opened, days)
        record = _ensure_table(opened, days)
        show_benchmark(record, opened.settings.lang)
        if once:
            return
        console.print(f"\nOpen {address}\nor {url}\nCtrl-C ends everything.", highlight=False, soft_wrap=True)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
        raise LabError(f"JupyterLab has ended by itself; its log is {opened.folder.logs / 'jupyterlab.log'}")


def start_jupyter(opened: Lab, port: int, browser: bool, root: Path = ROOT) -> tuple[psutil.Process, str]:
    """Start JupyterLab at the student's copy of the first notebook; return its process and its address.

    The copies lie in the folder `work` of its root, which is the clone.
    """
    token, lang = secrets.token_hex(24), opened.settings.lang
    first, *_ = (own_copy(source, root / "work" / lang) for source in notebooks(lang).values())
    path = first.relative_to(root).as_posix()
    place = f"/lab/workspaces/{_WORKSPACE}/tree/{path}"
    settings = opened.folder.root / "jupyter"
    write_whole(settings / "lab" / _NEWS_SETTINGS, json.dumps(_NO_NEWS))
    command = [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True",
        f"--ServerApp.open_browser={browser}", f"--LabApp.default_url={place}",
    ]  # fmt: skip
    environment = {
        "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_DATA_DIR": str(settings / "data"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"), "IPYTHONDIR": str(settings / "ipython"),
        "LABKIT_HOME": str(opened.settings.home), "JUPYTERLAB_SETTINGS_DIR": str(settings / "lab"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
    }  # fmt: skip
    process = start_service(
        command, log=opened.folder.logs / "jupyterlab.log", ready=lambda: _serves(port, token),
        timeout_s=_JUPYTER_TIMEOUT_S, name="JupyterLab", environment=environment, cwd=root, with_parent=True,
    )  # fmt: skip
    if not (settings / "workspaces").exists():  # what the student has arranged since stays
        _ask(port, token, f"lab/api/workspaces/{_WORKSPACE}", json.dumps(workspace(path, lang)))
    return process, f"http://{LOOPBACK}:{port}{place}?token={token}"


def start_services(opened: Lab, port: int, jupyter: str) -> tuple[psutil.Process, str]:
    """Start the services beside a lesson; return their process and their address."""
    file = opened.folder.root / ADDRESS_FILE
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "labkit.cli", "serve", "--lab", "--port", str(port), "--url-file", str(file)]
    process = start_service(
        command, log=opened.folder.logs / "services.log", ready=lambda: file.exists() and answers(LOOPBACK, port),
        timeout_s=_JUPYTER_TIMEOUT_S, name="The services", with_parent=True,
        environment={"LABKIT_HOME": str(opened.settings.home), "LABKIT_JUPYTER_URL": jupyter},
    )  # fmt: skip
    return process, file.read_text().strip()


def workspace(path: str, lang: str) -> dict[str, Any]:
    """Return JupyterLab's layout of a lesson: a notebook, beside it live panel and dashboard, by relative addresses."""
    left, beside = f"notebook:{path}", {PANEL: t("cluster.title", lang), "services": "labkit"}
    right = {f"server-proxy:server-proxy:{name}": _tab(name, title) for name, title in beside.items()}
    areas = [{"type": "tab-area", "currentIndex": 0, "widgets": widgets} for widgets in ([left], list(right))]
    dock = {"type": "split-area", "orientation": "horizontal", "sizes": [0.64, 0.36], "children": areas}
    return {
        "metadata": {"id": _WORKSPACE},
        "data": {
            "layout-restorer:data": {"main": {"dock": dock, "current": left}, "left": {"collapsed": True}},
            left: {"data": {"path": path, "factory": "Notebook"}},
            **right,
        },
    }


def _tab(name: str, title: str) -> dict[str, Any]:
    return {"data": {"url": f"/{name}/", "title": title, "newBrowserTab": False, "id": f"server-proxy:{name}"}}


def own_copy(source: Path, folder: Path) -> Path:
    """Return the student's copy of a notebook: made once, renewed only where the student has changed nothing."""
    target, taken = folder / source.name, folder / ".taken" / source.name
    if target.exists() and not (taken.exists() and taken.read_bytes() == target.read_bytes()):
        return target
    taken.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, taken)
    shutil.copyfile(source, target)
    return target


def _ensure_cluster(opened: Lab, ray_port: int, ending: list[Callable[[], object]]) -> None:
    from labkit.parallel.cluster import check_answers

    if opened.settings.ray_address is not None:
        check_answers(opened.settings.ray_address)
        console.print(f"Ray: {opened.settings.ray_address}, by RAY_ADDRESS", highlight=False)
        return
    if find_head(opened.folder) is None:
        with progress("Ray head"):
            ending.append(lambda: stop_head(opened.folder))
            start_head(opened.folder, port=ray_port, with_parent=True)
    else:
        console.print("Ray: the head that runs already")


def _ensure_model(opened: Lab, days: int) -> None:
    try:
        console.print(f"Model: {opened.models.get('promoted').id}, trained already", highlight=False)
    except UnknownName:
        record = train_with_progress(opened, days=days)
        show_training(record)
        from labkit.parallel.cluster import detach

        detach()


def _ensure_table(opened: Lab, days: int) -> dict[str, Any]:
    workers, rounds = numbers(str(QUICK["workers"]), "Workers"), int(str(QUICK["rounds"]))
    here = host.fingerprint()["digest"]
    for run in opened.runs.list(kind="benchmark", status="finished", limit=50):
        asked = run.parameters
        if (asked["workers"], asked["days"]) == (list(workers), days) and run.fingerprints[0]["digest"] == here:
            console.print(f"Benchmark: {run.id}, measured already", highlight=False)
            return opened.runs.export(run.id)
    return run_benchmark(opened, workers=workers, rounds=rounds, days=days)


def _end(ending: list[Callable[[], object]]) -> None:
    """End all services at once; a second Ctrl-C does not cut this short."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(end) for end in ending]:
                done.result()
    finally:
        signal.signal(signal.SIGINT, before)


def _serves(port: int, token: str) -> bool:
    """Tell whether it is our JupyterLab that answers there: only that knows the token."""
    try:
        return _ask(port, token, "api/status") == 200
    except (urllib.error.URLError, OSError):
        return False


def _ask(port: int, token: str, path: str, content: str | None = None) -> int:
    asked = urllib.request.Request(
        f"http://{LOOPBACK}:{port}/{path}", None if content is None else content.encode(),
        {"Authorization": f"token {token}"}, method="GET" if content is None else "PUT",
    )  # fmt: skip
    with urllib.request.urlopen(asked, timeout=2.0 if content is None else 30.0) as answer:
        return int(answer.status)


def _has_screen() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
