"""Errors as problem+json (RFC 9457): one table from labkit's error tree to HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from labkit import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
_LOG = logging.getLogger("labkit.api")

# The nearest ancestor that stands here counts. A code is for programs and stays what it is.
_STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.UnknownName: (404, "unknown-name"),
    errors.InvalidArgument: (422, "invalid-argument"),
    errors.InvalidData: (422, "invalid-data"),
    errors.NotEnoughResources: (503, "not-enough-resources"),
    errors.ClusterError: (503, "cluster-unavailable"),
    errors.StorageError: (503, "storage-unavailable"),
    errors.Busy: (503, "busy"),
    errors.LabError: (500, "failed"),
}


_FURTHER = (
    (401, "no-token", "No token, or one that is not known, expired or revoked."),
    (403, "wrong-origin", "A cookie that a page of another origin used."),
    (403, "wrong-scope", "A token without the scope that this needs."),
    (413, "too-large", "A body beyond the limit."),
    (421, "unknown-host", "A name that is not this server's."),
    (422, "invalid-request", "A body or parameter that does not fit its schema; `field` says where."),
    (429, "queue-full", "Too many runs wait."),
    (500, "unexpected", "A fault of the server; its log says more."),
    (503, "no-model", "No model is promoted, or it cannot be loaded."),
    (503, "too-busy", "Too many requests at once."),
)


class Problem(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
        What a program tells it by.
    detail : str
        For a person: what was needed, what was got, what to do next.
    field : str, optional
        What in the request is at fault.
    headers : mapping, optional
        Further ones of the answer.
    """

    def __init__(
        self, status: int, code: str, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.field, self.headers = status, code, detail, field, dict(headers or {})

    def content(self) -> dict[str, Any]:
        """Return the answer's body."""
        found = {
            "type": f"/docs#problem-{self.code}", "title": HTTPStatus(self.status).phrase, "status": self.status,
            "detail": self.detail, "code": self.code,
        }  # fmt: skip
        return found if self.field is None else {**found, "field": self.field}

    def response(self) -> Response:
        """Return the answer."""
        headers = self.headers
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = {"Retry-After": str(RETRY_AFTER_S), **headers}
        body = json.dumps(self.content(), ensure_ascii=False).encode("utf-8", "replace")
        return Response(body, self.status, headers, MEDIA_TYPE)


def lacking(scope: str, scopes: Sequence[str]) -> Problem:
    """Return the problem of a token that has not the scope that is needed."""
    return Problem(403, "wrong-scope", f"This needs a token with the scope {scope}; yours has {', '.join(scopes)}.")


def problem_of(fault: Exception) -> Problem:
    """Return the problem that an error is to whoever asked."""
    if isinstance(fault, Problem):
        return fault
    for kind in type(fault).__mro__:
        if kind in _STATUS:
            return Problem(*_STATUS[kind], str(fault))
    if not has_left(fault):
        _LOG.error("unexpected %s", type(fault).__name__, exc_info=fault)
    return Problem(500, "unexpected", "The server failed at this; its log says why.")


def has_left(fault: BaseException) -> bool:
    """Tell whether an error is only that a client left in the middle of a stream."""
    if isinstance(fault, BaseExceptionGroup):
        return all(map(has_left, fault.exceptions))
    return isinstance(fault, (anyio.BrokenResourceError, anyio.ClosedResourceError))


def problem_of_validation(faults: Sequence[Any]) -> Problem:
    """Return the problem of a request that does not fit its schema: the first fault's place, and all in words."""
    places = [".".join(str(part) for part in fault["loc"]) for fault in faults]
    told = "; ".join(f"{place}: {fault['msg']}" for place, fault in list(zip(places, faults, strict=True))[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return Problem(422, "invalid-request", f"{told}{more}.", places[0] if places else None)


def problems_table() -> list[tuple[int, str, str]]:
    """Return status, code and meaning of every problem that has a code of its own, for the reference."""
    of_errors = [(status, code, (kind.__doc__ or "").strip()) for kind, (status, code) in _STATUS.items()]
    return sorted([*of_errors, *_FURTHER])


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error as a problem."""

    async def of_lab(_: Request, fault: Exception) -> Response:
        return problem_of(fault).response()

    async def of_validation(_: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError)
        return problem_of_validation(fault.errors()).response()

    async def of_http(_: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)
        code = HTTPStatus(fault.status_code).phrase.lower().replace(" ", "-")
        return Problem(fault.status_code, code, str(fault.detail), headers=fault.headers).response()

    app.add_exception_handler(errors.LabError, of_lab)
    app.add_exception_handler(Problem, of_lab)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_lab)
