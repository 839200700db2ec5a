"""The dashboard through JupyterLab's own port, behind its login: found by jupyter-server-proxy by its entry point."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from labkit.cli.lab import ADDRESS_FILE
from labkit.lab import start
from labkit.parallel.service import answers

_NOBODYS_PORT = 9  # discard: what is asked of it is refused


def services() -> dict[str, Any]:
    """Return where the services of this lab are; without any no card shows them."""
    file = start().folder.root / ADDRESS_FILE
    found = urlsplit(file.read_text(encoding="utf-8").strip() if file.exists() else "")
    running = bool(found.hostname and found.port and answers(found.hostname, found.port))
    shown = {"new_browser_tab": False, "launcher_entry": {"title": "labkit", "enabled": running}}
    if not running:
        return {"port": _NOBODYS_PORT, **shown}
    # The services know themselves by their own name, not by that of a hub before them.
    headers = {"Authorization": f"Bearer {parse_qs(found.query)['token'][0]}", "Host": found.netloc}
    return {"port": found.port, "request_headers_override": headers, **shown}
