"""A kernel of a JupyterLab behind the gateway."""

from __future__ import annotations

import json
import ssl
import uuid
from contextlib import closing
from typing import Any

import httpx


def channel(place: str, kernel: str, certificate: str | None, **more: Any) -> Any:
    """Open the WebSocket of a kernel at a place such as `wss://127.0.0.1:8443`; any certificate will do for None."""
    import websocket

    trusted = {"ca_certs": certificate, "cert_reqs": ssl.CERT_REQUIRED} if certificate else {"cert_reqs": ssl.CERT_NONE}
    url = f"{place}/jupyter/api/kernels/{kernel}/channels"
    return websocket.create_connection(url, timeout=30, sslopt=trusted, **more)


def answer_of(socket: Any, code: str) -> str:
    """Run code by an open WebSocket, and return what it prints first."""
    header = {"msg_id": uuid.uuid4().hex, "session": "s", "username": "", "date": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    socket.send(json.dumps({
        "channel": "shell", "header": header | {"msg_type": "execute_request"}, "parent_header": {}, "metadata": {},
        "content": content,
    }))  # fmt: skip
    while (told := json.loads(socket.recv()))["msg_type"] != "stream":
        pass
    return str(told["content"]["text"])


def answer_of_a_kernel(client: httpx.Client, place: str, token: str, certificate: str | None) -> str:
    """Start a kernel, have it compute, end it, and return what it printed."""
    kernel = client.post("/jupyter/api/kernels", json={"name": "python3"}).json()["id"]
    mine = {"header": [f"Authorization: Bearer {token}"], "origin": place.replace("wss", "https")}
    try:
        with closing(channel(place, kernel, certificate, **mine)) as socket:
            return answer_of(socket, "print(6 * 7)")
    finally:
        client.delete(f"/jupyter/api/kernels/{kernel}")
