"""One server process: uvicorn, its log, and an end that does not wait for open streams."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import create_app
from api.predictor import settle
from api.settings import Settings
from labkit.lab import Lab

DRAIN_S = 4  # how long requests that are being worked on may take when the server ends
REQUEST_S = 10.0  # how long a connection may take to say what it wants


class Server(uvicorn.Server):
    """A server that says when it answers, and tells its streams to end before it waits for its clients to leave."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, tell: Callable[[], object]) -> None:
        super().__init__(config)
        self._stopping, self._tell = stopping, tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        settle()
        sys.setswitchinterval(0.0002)  # what goes on in threads holds up no answer for longer, in seconds
        if self.started:
            self._tell()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._stopping.set()
        super().handle_exit(sig, frame)


class Protocol(HttpToolsProtocol):
    """HTTP that closes connections which never say what they want."""

    def connection_made(self, transport: Any) -> None:
        """Give the connection its time."""
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._check, transport, None)

    def _check(self, transport: Any, before: Any) -> None:
        """Close a connection that has asked for nothing, or has not ended what it began to ask."""
        if transport.is_closing():
            return
        if self.cycle is None or (self.cycle is before and self.cycle.more_body):
            transport.close()
        else:
            self.loop.call_later(REQUEST_S, self._check, transport, self.cycle)


def run(lab: Lab, settings: Settings, host: str, port: int, tell: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM; call `tell` as soon as the port answers."""
    app = create_app(lab, settings, cookie=f"labkit-{port}")
    logging.config.dictConfig(_logging(str(lab.folder.logs / "api.log")))
    config = uvicorn.Config(
        app, host=host, port=port, loop="uvloop", http=Protocol, log_config=None, access_log=False,
        timeout_graceful_shutdown=DRAIN_S, timeout_keep_alive=30, server_header=False, lifespan="on", ws="none",
    )  # fmt: skip
    Server(config, app.state.context.stopping, tell).run()


def _logging(path: str) -> dict[str, Any]:
    """Return how it logs: warnings to the terminal, everything to a file that is begun anew at 5 MB."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.handlers.RotatingFileHandler", "filename": path, "maxBytes": 5_000_000,
                "backupCount": 1, "formatter": "line", "encoding": "utf-8",
            },
            "terminal": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "line"},
        },
        "loggers": {
            name: {"handlers": ["file", "terminal"], "level": "INFO", "propagate": False}
            for name in ("labkit.api", "labkit.audit", "uvicorn")
        },
    }  # fmt: skip
