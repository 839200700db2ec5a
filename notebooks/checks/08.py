"""Checks of notebook 08: what is asked of a service, and what its latencies say."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np

from labkit.classroom.exercises import NotYet

FLIGHTS = [{"flight": number, "carrier": "UA"} for number in (70, 5, 33, 61)]
LATENCIES_S = [4.0, 1.0, 19.0, 2.0, 9.0, 3.0, 7.0, 90.0, 5.0, 6.0, 8.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0,
               18.0]  # fmt: skip
WHOLE = [(0.0, 4.0), (2.0, 6.0), (5.0, 10.0)]  # all of them within the window
CUT = [(8.0, 12.0), (9.0, 21.0), (11.0, 13.0), (12.0, 18.0), (13.0, 25.0), (19.0, 23.0), (2.0, 5.0)]


class _Service:
    """A small service on a real port that answers with a flight's number in percent, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []  # verb, path, number of flights
        self.unknown, self.fails, self.refused = 0, False, False

    def answer(self, verb: str, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        if token != "Bearer check":
            self.unknown += 1
            return 401, {"code": "no-token"}
        try:
            flights = json.loads(body or b"null")
        except ValueError:
            flights = None
        if verb != "POST" or path != "/predict" or not isinstance(flights, list):
            self.refused = True
            return 422, {"code": "invalid-request"}
        self.asked.append((verb, path, len(flights)))
        if self.fails:
            return 503, {"code": "no-model", "predictions": []}
        found = [{"probability": each["flight"] / 100, "label": "on time", "imputed": []} for each in flights]
        return 200, {"model": "m-1", "predictions": found}


@contextmanager
def _serving(service: _Service) -> Iterator[httpx.Client]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found = service.answer(self.command, self.path, self.headers.get("Authorization"), body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}"
    try:
        with httpx.Client(base_url=place, headers={"Authorization": "Bearer check"}, timeout=10.0) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_1(probabilities: Any) -> None:
    """Check that all flights go in one request, by the client given, and that a failure is told as one."""
    service, right = _Service(), [each["flight"] / 100 for each in FLIGHTS]
    with _serving(service) as client:
        try:
            found = probabilities(client, [dict(each) for each in FLIGHTS])
        except Exception:
            if service.unknown:
                raise NotYet("without_token") from None
            if service.refused:
                raise NotYet("refused") from None
            raise
        if service.unknown:
            raise NotYet("without_token")
        if service.refused:
            raise NotYet("refused")
        if not isinstance(found, list) or not all(isinstance(each, int | float) for each in found):
            raise NotYet("no_numbers")
        if len(found) != len(right):
            raise NotYet("another_number", n=len(right), found=len(found))
        if not np.allclose(found, right):
            raise NotYet("another_order" if np.allclose(sorted(found), sorted(right)) else "wrong", found=found)
        if len(service.asked) > 1:
            raise NotYet("one_by_one", n=len(service.asked))
        service.fails = True
        try:
            probabilities(client, [dict(each) for each in FLIGHTS])
        except Exception:
            return
    raise NotYet("swallowed")


def check_2(percentile: Any) -> None:
    """Check nearest ranks of unsorted latencies, and that the list is left as it was."""
    given, ordered = list(LATENCIES_S), sorted(LATENCIES_S)
    for p in (90, 50, 99, 1):
        place, right = p * len(ordered) / 100, ordered[math.ceil(p * len(ordered) / 100) - 1]
        found = float(percentile(given, p))
        if found != right:
            reason = "wrong"
            if np.isclose(found, float(np.mean(ordered))):
                reason = "mean"
            elif found == LATENCIES_S[math.ceil(place) - 1]:
                reason = "unsorted"
            elif found not in ordered:
                reason = "interpolated"
            elif found == ordered[min(int(place), len(ordered) - 1)]:
                reason = "one_too_far"
            elif found == max(ordered):
                reason = "largest"
            raise NotYet(reason, p=p, found=found, right=right)
    if given != LATENCIES_S:
        raise NotYet("changed")


def check_3(little: Any) -> None:
    """Check the three numbers where no request crosses the window's edges, and then where some do."""
    case = {"requests": _text(WHOLE), "window": "0–10.5"}
    found = _three(little, WHOLE, 0.0, 10.5)
    for name, value, right in zip(("L", "λ", "W"), found, (13 / 10.5, 3 / 10.5, 13 / 3), strict=True):
        if not np.isclose(value, right):
            reason = "peak" if name == "L" and value == 2 else "wrong"
            raise NotYet(reason, name=name, found=value, right=right, **case)
    in_flight, per_s, mean_s = _three(little, CUT, 10.0, 20.0)
    case = {"requests": _text(CUT), "window": "10–20"}
    if not np.isclose(per_s, 0.3):
        reason = {0.4: "begun", 0.6: "touching", 0.7: "all_of_them"}.get(round(per_s, 6), "wrong")
        raise NotYet(reason, name="λ", found=per_s, right=0.3, **case)
    if not np.isclose(mean_s, 4.0):
        raise NotYet(
            "clipped_mean" if np.isclose(mean_s, 10 / 3) else "wrong", name="W", found=mean_s, right=4.0, **case
        )
    if not np.isclose(in_flight, 2.8):
        circular = np.isclose(in_flight, per_s * mean_s)
        reason = "circular" if circular else "unclipped" if np.isclose(in_flight, 4.0) else "wrong"
        raise NotYet(reason, name="L", found=in_flight, right=2.8, **case)


def _three(little: Any, requests: Sequence[tuple[float, float]], from_s: float, until_s: float) -> list[float]:
    found = little(list(requests), from_s, until_s)
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise NotYet("not_three")
    return [float(each) for each in found]


def _text(requests: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"{begun:g}–{ended:g}" for begun, ended in requests)
