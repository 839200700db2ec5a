"""What the services answer to anything that their OpenAPI file allows, and to much that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.docs import specification, to_html, to_json, to_markdown
from api.settings import Settings
from api.tokens import TokenStore
from labkit.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
CONFORM = [content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture(scope="module")
def contract(lab: Lab) -> Any:
    """The OpenAPI file of a server that accepts no further work, and whose streams end at once."""
    app = create_app(lab, Settings(queue=0, lab_mode=True))
    app.state.context.predictor.refresh()
    app.state.context.stopping.set()
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=_bearer(lab, "read"))


def _bearer(lab: Lab, *scopes: str) -> dict[str, str]:
    from labkit.store.database import open_database

    token = TokenStore(open_database(lab.folder.database_url)).make("contract", scopes) if scopes else ""
    return {"Host": "127.0.0.1:8000"} | ({"Authorization": f"Bearer {token}"} if token else {})


@pytest.fixture(scope="module")
def bearers(lab: Lab) -> list[dict[str, str]]:
    """Headers without a token, with one of each scope, and with one of all."""
    return [_bearer(lab, *scopes) for scopes in ((), ("read",), ("predict",), ("read", "predict", "operate"))]


OPERATIONS = [(path, method) for path, methods in specification()["paths"].items() for method in methods]


# Not by schemathesis' own marks: they do not work with pytest 9.2.
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_the_file_describes(
    contract: Any, bearers: list[dict[str, str]], path: str, method: str
) -> None:
    @given(case=contract[path][method].as_strategy())
    @settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        for bearer in bearers:
            answer = case.call(headers=bearer)
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            if answer.status_code >= 400 and answer.status_code != 405 and path != "/health/ready":
                assert answer.headers["content-type"][0] == "application/problem+json"
            case.validate_response(answer, checks=CONFORM)

    ask()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_route_has_an_example_of_its_answer_that_fits_its_schema(path: str, method: str) -> None:
    spec = specification()
    found = [answer for status, answer in spec["paths"][path][method]["responses"].items() if status.startswith("2")]
    assert found[0]["content"]
    for kind, media in found[0]["content"].items():  # a report is one of three kinds
        if kind != "application/json":
            assert isinstance(media["example"], str) and len(media["example"]) > 20
            continue
        schema = media["schema"] | {"components": spec["components"]}
        jsonschema.validate(media["example"], schema, cls=jsonschema.Draft202012Validator)


def test_every_route_is_described_with_an_example_that_it_takes() -> None:
    text = to_markdown(specification())
    for path, methods in specification()["paths"].items():
        for method, operation in methods.items():
            assert operation["description"] and operation["tags"], path
            assert f"### {method.upper()} {path}" in text


def test_the_kept_reference_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "api.md").read_text("utf-8") == to_markdown(specification()), "run: make api-docs"
    kept = (ROOT / "frontend" / "openapi.json").read_text("utf-8")
    assert kept == to_json(specification()), "run: make api-docs"


def test_the_page_of_the_reference_asks_no_other_host() -> None:
    page = to_html(specification())
    assert "http://" not in page.replace("http://127.0.0.1", "") and "https://" not in page and "<script" not in page
