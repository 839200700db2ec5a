"""AWS as moto has it, behind a gate that refuses what a test wants refused; all of one module share them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

import pytest
import typer
from typer.testing import CliRunner

from labkit.errors import LabError


@dataclasses.dataclass
class Fault:
    """What AWS says instead of its answer to an operation, from its `after`th call on."""

    code: str
    message: str
    status: int = 400
    after: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: dict[str, Any] | None = None  # an answer of JSON instead of a fault


class Gate:
    """Passes all requests on to moto, but for the operations that have a fault."""

    def __init__(self, behind: int) -> None:
        self.behind, self.faults, self.seen = behind, dict[str, Fault](), list[str]()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, content = gate.pass_on(self.command, self.path, dict(self.headers.items()), body)
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", headers.get("X-Length", str(len(content))))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        operation = operation_of(method, path, headers, body)
        self.seen.append(operation)
        fault = self.faults.get(operation)
        if fault is not None:
            fault.after -= 1
            if fault.after < 0:
                return reply(fault, headers)
        connection = HTTPConnection("127.0.0.1", self.behind, timeout=30)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in ("connection", "expect")}
            connection.request(method, path, body or None, kept)
            answer = connection.getresponse()
            content = answer.read()
            left = ("content-length", "transfer-encoding", "connection")
            told = {name: value for name, value in answer.getheaders() if name.lower() not in left}
            if method == "HEAD" and answer.getheader("Content-Length"):
                told["X-Length"] = answer.getheader("Content-Length") or ""
            return answer.status, told, content
        finally:
            connection.close()


def operation_of(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    """Return an operation's name: of S3 its method and the depth of its path."""
    target = headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    if b"Action=" in body:
        return parse_qs(body.decode())["Action"][0]
    if "/operation/" in path:
        return path.rpartition("/operation/")[2]
    return f"{method} {'object' if re.search(r'^/[^/?]+/[^?]', path) else 'bucket'}"


def reply(fault: Fault, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    if fault.body is not None:
        return 200, {"Content-Type": "application/x-amz-json-1.1", **fault.headers}, json.dumps(fault.body).encode()
    if "X-Amz-Target" in headers or "cbor" in headers.get("Smithy-Protocol", ""):
        said = {"__type": fault.code, "message": fault.message}
        return fault.status, {"Content-Type": "application/x-amz-json-1.1", **fault.headers}, json.dumps(said).encode()
    one = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
    many = f"<ErrorResponse>{one}</ErrorResponse>"
    ec2 = f"<Response><Errors>{one}</Errors></Response>"
    signed = headers.get("Authorization", "")
    content = ec2 if "/ec2/aws4_request" in signed else one if "/s3/aws4_request" in signed else many
    return fault.status, {"Content-Type": "text/xml", **fault.headers}, content.encode()


@dataclasses.dataclass
class Said:
    status: int
    out: str


class Aws:
    """`labkit ec2` against the gate."""

    def __init__(self, gate: Gate, image: str, arm_image: str) -> None:
        self.gate, self.image, self.arm_image = gate, image, arm_image
        self.network: tuple[str, ...] = ()

    def labkit(self, *arguments: str, status: int = 0, typed: str = "") -> str:
        """Run `labkit ec2 …` in this process; return what it printed, a fault's message included."""
        import ec2.cli  # noqa: F401 (adds its commands)
        from labkit.cli.app import app

        done = CliRunner().invoke(app, ["ec2", *arguments], input=typed, standalone_mode=False)
        fault = done.exception
        found, said = 0, done.output
        if isinstance(fault, LabError):
            found, said = fault.exit_status, said + str(fault)
        elif isinstance(fault, KeyboardInterrupt | typer.Abort) or done.return_value == 130:
            found = 130
        elif fault is not None:
            raise fault
        assert found == status, f"status {found}, not {status}:\n{said}"
        return said

    def up(self, *arguments: str, status: int = 0) -> str:
        return self.labkit("up", "--cidr", "203.0.113.7/32", "--image", self.image, *arguments, status=status)

    def call(self, service: str, operation: str, **arguments: Any) -> Any:
        from ec2.cloud import Cloud

        return Cloud("us-east-1", "en").call(service, operation, **arguments)


def share_clients(patch: pytest.MonkeyPatch) -> None:
    """Let all commands of one process share botocore's clients: it reads its models for a second for each."""
    import botocore.session
    from botocore.config import Config

    from ec2 import cloud

    session, made = botocore.session.get_session(), dict[tuple[str, ...], Any]()
    create = session.create_client

    def shared(service: str, region_name: str, config: Any) -> Any:
        key = (service, region_name, os.environ["AWS_ENDPOINT_URL"], os.environ.get("AWS_ACCESS_KEY_ID", ""))
        if key not in made:
            if not os.environ["AWS_ENDPOINT_URL"].endswith(":9"):  # moto on a busy machine is no dead endpoint
                config = Config(read_timeout=100, retries={"total_max_attempts": 1})
            made[key] = create(service, region_name=region_name, config=config)
        return made[key]

    patch.setattr(session, "create_client", shared)
    patch.setattr(cloud, "new_session", lambda: session)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An account of its own, without a lab."""
    from moto.server import ThreadedMotoServer

    from ec2 import remote, stacks

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    gate = Gate(server.get_host_and_port()[1])
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("AWS_", "LABKIT_"))]:
            patch.delenv(name)
        for name, value in {
            "AWS_ENDPOINT_URL": gate.url, "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "word",
            "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "COLUMNS": "160", "NO_COLOR": "1",
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        share_clients(patch)
        patch.setattr(stacks, "EVERY_S", 0.01)
        patch.setattr(remote, "EVERY_S", 0.01)
        urlopen(Request(f"http://127.0.0.1:{gate.behind}/moto-api/reset", method="POST"), timeout=30).close()
        made = Aws(gate, "", "")
        for name, architecture in (("image", "x86_64"), ("arm_image", "arm64")):
            asked = [{"Name": "architecture", "Values": [architecture]}]
            setattr(made, name, made.call("ec2", "describe_images", Filters=asked)["Images"][0]["ImageId"])
        subnet = made.call("ec2", "describe_subnets")["Subnets"][0]
        made.network = ("--vpc", subnet["VpcId"], "--subnet", subnet["SubnetId"])
        yield made
    gate.server.shutdown()
    gate.server.server_close()
    server.stop()


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "aws" in request.fixturenames:
        request.getfixturevalue("aws").gate.faults.clear()


@pytest.fixture(scope="module")
def lab(aws: Aws) -> Aws:
    """The account with one lab that is up, of two workers, in a network that is there: moto cannot remove one."""
    aws.up("--workers", "2", *aws.network)
    return aws
