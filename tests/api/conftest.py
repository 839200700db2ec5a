"""A lab with a model, and its services in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

import labkit
from api.app import create_app
from api.settings import Settings
from api.tokens import TokenStore
from labkit.lab import Lab
from labkit.store.database import open_database
from tests.costs import give_costs

HOST = "http://127.0.0.1:8000"
RECIPES = ["hgb-small", "logistic-onehot", "forest-20"]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab with two models, the first of them promoted, and no cluster."""
    lab = labkit.start(home=give_costs(tmp_path_factory.mktemp("api") / "lab"), lang="en")
    dataset = lab.prepare(days=12)
    for recipes in (RECIPES, ["logistic-numeric"]):
        lab.train(dataset, recipes=recipes, engine="sequential")
    return lab


@pytest.fixture(scope="session")
def tokens(lab: Lab) -> TokenStore:
    return TokenStore(open_database(lab.folder.database_url))


@pytest.fixture
def client_with(lab: Lab, tokens: TokenStore) -> Iterator[Callable[..., TestClient]]:
    """Make a client of a server with settings and scopes of one's own; without scopes it has no token."""
    opened: list[TestClient] = []

    def make(*scopes: str, settings: Settings | None = None, model: str = "promoted") -> TestClient:
        app = create_app(lab, settings or Settings())
        client = TestClient(app, base_url=HOST, raise_server_exceptions=False, follow_redirects=False)
        if scopes:
            client.headers["Authorization"] = f"Bearer {tokens.make('test', scopes)}"
        client.__enter__()
        app.state.context.predictor.refresh()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__()


@pytest.fixture
def client(client_with: Callable[..., TestClient]) -> TestClient:
    """A client that may do everything."""
    return client_with("read", "predict", "operate")
