from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from api.proxied import services
from labkit.classroom import proxied
from labkit.files.folder import LabFolder
from labkit.parallel.head import token
from labkit.runner import ROOT


def test_jupyters_proxy_finds_the_panel_and_the_dashboard() -> None:
    found = {entry.name: entry.load() for entry in entry_points(group="jupyter_serverproxy_servers")}
    assert found == {"panel": proxied.panel, "ray": proxied.ray, "services": services}


@pytest.mark.parametrize(("lang", "title"), [("en", "The Ray cluster now"), ("es", "El clúster de Ray ahora")])
def test_the_panels_card_speaks_the_labs_language(tmp_path: Path, monkeypatch, lang: str, title: str) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    monkeypatch.setenv("LABKIT_LANG", lang)
    assert proxied.panel()["launcher_entry"]["title"] == title


def test_without_a_head_no_card_shows_a_dashboard(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    assert proxied.ray()["launcher_entry"]["enabled"] is False and "request_headers_override" not in proxied.ray()


def test_the_dashboard_is_asked_with_the_labs_own_token(ray_cluster: LabFolder, monkeypatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(ray_cluster.root))
    asked = proxied.ray()
    assert asked["launcher_entry"]["enabled"] and asked["port"] > 0
    assert asked["request_headers_override"]["Authorization"] == f"Bearer {token(ray_cluster).read_text().strip()}"


def test_what_binder_and_vs_code_read_is_whole() -> None:
    for script in ("postBuild", "start"):
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["sh", "-n", ROOT / script], check=True)
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    container = json.loads(re.sub(r"//[^\n]*", "", text))  # JSON with comments
    commands = [container[name] for name in ("postCreateCommand", "postStartCommand")]
    assert commands == ["make install", ".venv/bin/labkit cluster start"]
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
