"""What any JupyterLab with labkit passes on through its own port, behind its own login: live panel, Ray's dashboard.

jupyter-server-proxy finds both by their entry points, under `labkit lab`, JupyterHub and Binder alike.
"""

from __future__ import annotations

import sys
from typing import Any

from labkit.classroom.text import t
from labkit.lab import start
from labkit.parallel.head import find_head, token

PANEL = "panel"
_NOBODYS_PORT = 9  # discard: what is asked of it is refused
_TIMEOUT_S = 90  # of a panel's first start, on a busy machine


def panel() -> dict[str, Any]:
    """Return how the live panel is started, when its page is first asked for."""
    return {
        "command": [sys.executable, "-m", "labkit.classroom.live", "{unix_socket}"],
        "unix_socket": True, "timeout": _TIMEOUT_S, "new_browser_tab": False,
        "launcher_entry": {"title": t("cluster.title", start().settings.lang)},
    }  # fmt: skip


def ray() -> dict[str, Any]:
    """Return where the dashboard of the lab's own Ray head is; without one no card shows it."""
    lab = start()
    head = find_head(lab.folder)
    card = {"title": t("cluster.dashboard", lab.settings.lang), "enabled": head is not None}
    shown = {"new_browser_tab": False, "launcher_entry": card}
    if head is None:
        return {"port": _NOBODYS_PORT, **shown}
    key = token(lab.folder).read_text().strip()
    return {"port": head.dashboard_port, "request_headers_override": {"Authorization": f"Bearer {key}"}, **shown}
