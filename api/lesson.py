"""Services for a lesson: those that serve this lab already, or a process that ends with the notebook."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from labkit.cli.lab import ADDRESS_FILE
from labkit.lab import Lab, Settings
from labkit.parallel.service import LOOPBACK, answers, end_service, free_port, start_service

_TIMEOUT_S = 90.0


@dataclasses.dataclass(eq=False)
class Server:
    """A server and what opens it.

    Parameters
    ----------
    url : httpx.URL
        As it was printed, with its token.
    process : psutil.Process or None
        None where the lab runs it, and not the lesson.
    """

    url: httpx.URL
    process: psutil.Process | None = None

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return self.url.port or 80

    def client(self, port: int | None = None, **options: Any) -> httpx.Client:
        """Return a client with the server's token, of another port where it is given; options are httpx's."""
        headers = {"Authorization": f"Bearer {self.url.params['token']}"}
        options = {"timeout": 30.0, "base_url": f"http://{LOOPBACK}:{port or self.port}", **options}
        return httpx.Client(headers=headers, **options)

    def end(self) -> None:
        """End it, if it is the lesson's own."""
        if self.process is not None:
            end_service(self.process)


def own_lab(lab: Lab, home: Path) -> Lab:
    """Return a lab beside another one, with nothing in common but the language: what is broken there harms nobody."""
    return Lab(Settings(home=home, lang=lab.settings.lang))


def plant_fault(lab: Lab) -> None:
    """Break something in a lab, for a lesson. Whoever is to find it does not read on.

    The newest model that is not promoted loses the second half of its file, as when a disk is full, and is promoted by
    somebody who writes that into the database, past the services, which would have refused it.
    """
    record = next(each for each in lab.models.list() if not each.promoted)
    (file,) = (lab.folder.root / "models" / record.id).glob("*.skops")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    lab.models.promote(record.id)


def find_server(lab: Lab) -> Server | None:
    """Return the services that `labkit lab` has started for this lab; None if they do not run."""
    file = lab.folder.root / ADDRESS_FILE
    url = httpx.URL(file.read_text("utf-8").strip() if file.exists() else "")
    if url.port is None or not answers(url.host, url.port) or "token" not in url.params:
        return None
    return Server(url)


def start_server(lab: Lab, *services: str) -> Server:
    """Start the services of a lab, or some of them, on a free port of this machine; they end with this process.

    Raises
    ------
    LabError
        If they do not serve within 90 s; the message holds what they said.
    """
    port = free_port()
    file = lab.folder.root / f"{ADDRESS_FILE}-{port}"
    log = Path(lab.folder.logs) / f"services-{port}.log"
    command = [sys.executable, "-m", "labkit.cli", "serve", "--lab", "--port", str(port), "--url-file", str(file)]
    try:
        process = start_service(
            command, log=log, ready=lambda: file.exists() and answers(LOOPBACK, port), timeout_s=_TIMEOUT_S,
            name="The services", with_parent=True,
            environment={
                "LABKIT_HOME": str(lab.settings.home), "LABKIT_SERVICES": ",".join(services),
                "LABKIT_DATABASE_URL": lab.settings.database or "", "RAY_ADDRESS": lab.settings.ray_address or "",
                "LABKIT_ARTEFACTS_URL": lab.settings.artefacts or "",
            },
        )  # fmt: skip
        return Server(httpx.URL(file.read_text("utf-8").strip()), process)
    finally:
        file.unlink(missing_ok=True)
        log.unlink(missing_ok=True)  # what they say from now on is in api.log
