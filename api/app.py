"""The application: the services that were chosen, behind one guard."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import make_url
from starlette.types import ASGIApp, Receive, Scope, Send

from api import docs, problems
from api.deps import Context
from api.guard import Guard
from api.history import History
from api.jobs import Jobs
from api.metrics import Host, Meters
from api.predictor import Predictor
from api.rows import routes
from api.services import benchmark, health, metrics, prediction, runs, training
from api.settings import Settings
from api.tokens import TokenStore
from labkit.lab import Lab
from labkit.runner import ROOT
from labkit.store.database import open_database

_LOG = logging.getLogger("labkit.api")
PAGES = ROOT / "frontend" / "dist"
_RECONCILE_S, _FLUSH_S = 5.0, 1.0
_DATABASE_S = 3  # how long a request may wait for a database that somebody holds
_DESCRIPTION = (
    "Predictions, trainings, benchmarks and metrics of a labkit lab. Errors are problem+json. Send a token as"
    " `Authorization: Bearer`; `labkit token new` makes one."
)


class Services(FastAPI):
    """An application behind its guard: what that refuses, or answers by itself, costs little."""

    guarded: ASGIApp

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI file, with an example of each answer."""
        return docs.with_examples(super().openapi())

    async def unguarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whoever asks."""
        try:
            await super().__call__(scope, receive, send)
        except Exception as fault:
            if not problems.has_left(fault):
                raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whom the guard lets pass."""
        await self.guarded(scope, receive, send)


def create_app(lab: Lab, settings: Settings, cookie: str = "labkit-8000") -> Services:
    """Return the application of a lab, with the services that its settings name.

    Parameters
    ----------
    cookie : str
        Name of the cookie that a browser's token is kept in.
    """
    told, url = lab.settings, hasty(lab.settings.database or lab.folder.database_url, _DATABASE_S)
    lab, engine = Lab(dataclasses.replace(told, database=url)), open_database(url)
    meters, stopping = Meters(), asyncio.Event()
    context = Context(
        lab=lab, settings=settings, meters=meters, host=Host(str(lab.folder.root)), predictor=Predictor(lab.models),
        history=History(engine, settings.history), jobs=Jobs(lab, settings.queue, told), stopping=stopping,
    )  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if "prediction" in settings.services:  # nobody is told that there is no model before one was looked for
            loading = asyncio.to_thread(context.predictor.refresh)
            await asyncio.gather(asyncio.to_thread(routes), loading)  # reading flights leaves the interpreter to it
        tasks = [asyncio.create_task(work) for work in _background(context)]
        try:
            yield
        finally:
            stopping.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(context.history.flush, at_end=True)

    app = Services(
        title="labkit", version="0.1.0", description=_DESCRIPTION, lifespan=lifespan, redoc_url=None,
        openapi_url="/openapi.json", docs_url=None,
    )  # fmt: skip
    app.state.context = context
    routers = {
        "health": (health.router,), "prediction": (prediction.router,), "training": (training.router,),
        "benchmark": (benchmark.router,), "metrics": (metrics.router,),
    }  # fmt: skip
    for service in settings.services:
        for router in routers[service]:
            app.include_router(router)
    if {"training", "benchmark"} & set(settings.services):
        app.include_router(runs.router)
    if settings.lab_mode and "metrics" in settings.services:
        app.include_router(metrics.laboratory)
    app.add_api_route("/docs", _page_of_docs, include_in_schema=False)
    if (PAGES / "index.html").exists():
        app.mount("/assets", StaticFiles(directory=PAGES / "assets"))
        app.add_api_route("/", _pages, include_in_schema=False)
    else:
        app.add_api_route("/", _to_docs, include_in_schema=False)
    problems.add_handlers(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_credentials=True,
            allow_methods=["GET", "POST", "DELETE"], allow_headers=["authorization", "content-type", "last-event-id"],
        )  # fmt: skip
    behind: ASGIApp = app.unguarded
    if "prediction" in settings.services and not settings.origins:  # answers to other origins need FastAPI's headers
        behind = prediction.PlainPredictions(behind, context)
    app.guarded = Guard(
        behind, settings=settings, tokens=TokenStore(engine), needs=scope_of, cookie=cookie, count=meters.answered
    )
    return app


def scope_of(method: str, path: str) -> str:
    """Return the scope that a request needs: predict, operate for what changes something, read for the rest."""
    if path == "/predict":
        return "predict"
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "operate"


def _page_of_docs(request: Request) -> HTMLResponse:
    """Show the reference of the services."""
    return HTMLResponse(docs.to_html(request.app.openapi()))


def _pages() -> FileResponse:
    """Show the dashboard."""
    return FileResponse(PAGES / "index.html")


def _to_docs() -> RedirectResponse:
    """Lead whoever opens the server's address to the reference, where no dashboard was built."""
    return RedirectResponse("/docs")


def _background(context: Context) -> list[Coroutine[Any, Any, None]]:
    """Return what goes on as long as the server does."""
    work: list[Coroutine[Any, Any, None]] = [_again("reconcile", context.jobs.reconcile, _RECONCILE_S)]
    if "prediction" in context.settings.services or "health" in context.settings.services:
        work.append(context.predictor.follow())
    if "prediction" in context.settings.services:
        work.append(_again("history", context.history.flush, _FLUSH_S))
    if "metrics" in context.settings.services:
        work += [metrics.watch_cluster(context), metrics.watch(context)]
    return work


async def _again(what: str, work: Callable[[], object], period_s: float) -> None:
    """Do something again and again; what fails once may do well next time."""
    while True:
        try:
            await asyncio.to_thread(work)
        except Exception as fault:
            _LOG.warning("%s: %s", what, fault)
        await asyncio.sleep(period_s)


def hasty(url: str, wait_s: int) -> str:
    """Return a database's URL with which nobody waits longer for a lock or a connection than so many seconds."""
    found = make_url(url)
    if found.get_backend_name() == "sqlite":
        waits = {"timeout": str(wait_s)}
    else:
        waits = {"connect_timeout": str(wait_s), "options": f"-c lock_timeout={wait_s}s"}
    return found.set(query={**waits, **found.query}).render_as_string(hide_password=False)
