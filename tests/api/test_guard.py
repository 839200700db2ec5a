"""Who gets in, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import scope_of
from api.rows import EXAMPLE
from api.settings import Settings
from api.tokens import TokenStore
from labkit.errors import InvalidArgument, UnknownName
from tests.api.conftest import HOST

Clients = Callable[..., TestClient]


def told(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == answer.status_code and content["title"] and content["detail"]
    return answer.status_code, content["code"]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3:8443", "[fd00::7]:8443", "localhost"])
def test_an_address_is_known_since_no_page_can_have_pointed_it_here(client_with: Clients, host: str) -> None:
    assert client_with().get("/health", headers={"Host": host}).status_code == 200


def test_a_proxy_learns_by_the_session_whom_to_let_pass(client_with: Clients) -> None:
    asked = "/session?scope=operate"
    assert client_with("read", "operate").get(asked).status_code == 200
    assert told(client_with("read", "predict").get(asked)) == (403, "wrong-scope")
    assert told(client_with().get(asked)) == (401, "no-token")
    assert told(client_with("read").get("/session?scope=all")) == (422, "invalid-request")


def test_jupyterlab_is_an_address_or_a_path_behind_the_same_proxy() -> None:
    for good in ("http://127.0.0.1:8888/", "/jupyter/", "/"):
        assert Settings.read({"LABKIT_JUPYTER_URL": good}).jupyter == good
    for bad in ("//evil.example/", "/jupyter", "jupyter/", "javascript:x"):
        with pytest.raises(InvalidArgument, match="LABKIT_JUPYTER_URL"):
            Settings.read({"LABKIT_JUPYTER_URL": bad})


def test_only_health_and_the_login_page_are_open(client_with: Clients) -> None:
    client = client_with()
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    opened = {path for path in paths if client.get(path.replace("{", "x").replace("}", "x")).status_code != 401}
    assert opened == {"/health", "/health/ready"}
    assert client.get("/login").status_code == 200 and "token" in client.get("/login").text
    for method, path in (("POST", "/predict"), ("DELETE", "/train/2"), ("GET", "/"), ("GET", "/docs")):
        assert told(client.request(method, path)) == (401, "no-token")


@pytest.mark.parametrize(
    "given", ["Bearer x", "Bearer ", "Basic eDp5", "Bearer " + "0" * 8 + "." + "a" * 43, "Bearer \xff"]
)
def test_what_is_no_token_of_this_lab_opens_nothing(client_with: Clients, given: str) -> None:
    answer = client_with().get("/runs", headers={"Authorization": given.encode("latin-1")})
    assert told(answer) == (401, "no-token") and answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_ends_when_it_expires_and_when_it_is_revoked(
    client_with: Clients, tokens: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_with()
    short, other = tokens.make("short", days=1e-7), tokens.make("other")
    asked = {name: {"Authorization": f"Bearer {given}"} for name, given in (("short", short), ("other", other))}
    assert client.get("/runs", headers=asked["other"]).status_code == 200
    assert told(client.get("/runs", headers=asked["short"])) == (401, "no-token")
    tokens.revoke(other.partition(".")[0])
    monkeypatch.setattr("api.tokens.time.monotonic", lambda: 1e12)  # what was trusted a second ago is looked up again
    assert told(client.get("/runs", headers=asked["other"])) == (401, "no-token")


def test_a_scope_opens_what_it_is_for_and_no_more(client_with: Clients) -> None:
    reads, predicts = client_with("read"), client_with("predict")
    assert reads.get("/models").status_code == 200 and predicts.post("/predict", json=[EXAMPLE]).status_code == 200
    assert told(reads.post("/predict", json=[EXAMPLE])) == (403, "wrong-scope")
    assert told(predicts.get("/models")) == (403, "wrong-scope")
    for method, path in (("POST", "/train"), ("DELETE", "/train/20"), ("POST", "/models/m/promote")):
        assert told(reads.request(method, path, json={})) == (403, "wrong-scope")
        assert scope_of(method, path) == "operate"


def test_a_token_in_an_address_becomes_a_cookie_and_leaves_the_address(
    client_with: Clients, tokens: TokenStore
) -> None:
    client, token = client_with(), tokens.make("browser")
    answer = client.get(f"/runs?limit=1&token={token}")
    assert answer.status_code == 303 and answer.headers["location"] == "./runs?limit=1"
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in answer.headers["set-cookie"]
    assert client.get("/runs").status_code == 200  # the client keeps cookies
    assert told(client.get("/runs?token=wrong")) == (401, "no-token")
    assert client.get(f"{HOST}//evil.example/x?token={token}").headers["location"] == "./x"


def test_a_cookie_is_no_use_to_a_page_of_another_origin(client_with: Clients, tokens: TokenStore) -> None:
    client = client_with()
    client.get(f"/?token={tokens.make('browser')}")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8001", ""):
        headers = {"Origin": origin} if origin else {}
        assert told(client.post("/predict", json=[EXAMPLE], headers=headers)) == (403, "wrong-origin")
    assert client.post("/predict", json=[EXAMPLE], headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    assert "access-control-allow-origin" not in client.get("/runs", headers={"Origin": "http://evil.example"}).headers


def test_an_origin_that_is_named_may_ask(client_with: Clients) -> None:
    client = client_with("read", settings=Settings(origins=("https://lab.example",)))
    asked = {"Origin": "https://lab.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/predict", headers=asked).headers["access-control-allow-origin"] == "https://lab.example"
    answer = client.get("/runs", headers={"Origin": "https://lab.example"})
    assert answer.headers["access-control-allow-origin"] == "https://lab.example"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "a:b:c"])
def test_another_name_for_this_machine_is_refused(client_with: Clients, host: str) -> None:
    assert told(client_with("read").get("/runs", headers={"Host": host})) == (421, "unknown-host")


def test_a_name_that_is_known_is_taken(client_with: Clients) -> None:
    client = client_with("read", settings=Settings(hosts=("lab.example",)))
    assert client.get("/runs", headers={"Host": "lab.example:80"}).status_code == 200


def test_answers_carry_what_browsers_should_heed(client: TestClient) -> None:
    for path in ("/health", "/runs", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and "default-src" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store" and "server" not in headers


def test_a_body_beyond_the_limit_is_refused_whether_or_not_it_says_its_length(client_with: Clients) -> None:
    client = client_with("predict", settings=Settings(body_bytes=1000))
    assert told(client.post("/predict", content=b"[" + b" " * 1000 + b"]")) == (413, "too-large")
    parts = iter([b"[", b" " * 2000, b"]"])
    assert told(client.post("/predict", content=parts)) == (413, "too-large")
    assert told(client.post("/predict", content=b"[]", headers={"Content-Length": "-5"}))[0] in (400, 413)


def test_more_requests_at_once_than_may_be_are_told_to_come_again(client_with: Clients) -> None:
    answer = client_with("read", settings=Settings(running=0)).get("/runs")
    assert told(answer) == (503, "too-busy") and int(answer.headers["retry-after"]) > 0


def test_each_operation_leaves_a_line(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "labkit.audit"):
        client.post("/models/none%0Aforged/promote")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "labkit.audit"]
    assert (
        line.startswith("POST /models/none") and " 404 by " in line.replace(" 422 by ", " 404 by ") and "\n" not in line
    )


def test_a_request_has_one_name_in_its_answer_and_in_the_log(
    client_with: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_with("operate")
    with caplog.at_level("INFO", "labkit.audit"):
        answers = [client.post("/models/none/promote", headers={"X-Request-Id": name}) for name in ("mine-1", "a b")]
        failed = client_with("read", settings=Settings(running=0)).get("/runs")
    names = [answer.headers["x-request-id"] for answer in (*answers, failed)]
    lines = [record.getMessage() for record in caplog.records if record.name == "labkit.audit"]
    assert names[0] == "mine-1" and names[1] != "a b" and len(set(names)) == 3
    assert [line.rpartition(" request ")[2] for line in lines] == names and lines[2].startswith("GET /runs 503 by ")


def test_tokens_are_kept_as_digests_only(tokens: TokenStore, lab: Any) -> None:
    token = tokens.make("secret", ["read"])
    secret = token.partition(".")[2]
    for path in lab.folder.root.glob("lab.db*"):
        assert secret.encode() not in path.read_bytes()
    assert tokens.list()[0].scopes == ("read",)


@pytest.mark.parametrize(
    ("scopes", "days"), [([], 1), (["admin"], 1), (["read"], 0), (["read"], -1), (["read"], float("nan"))]
)
def test_a_token_without_sense_is_not_made(tokens: TokenStore, scopes: list[str], days: float) -> None:
    with pytest.raises(InvalidArgument, match="token"):
        tokens.make("x", scopes, days)


def test_no_token_that_is_not_there_is_revoked(tokens: TokenStore) -> None:
    with pytest.raises(UnknownName, match="no token"):
        tokens.revoke("../x")
