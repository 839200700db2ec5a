"""What may be wrong, and what is said of it: before anything is made, or with what is left. One account."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.ec2.conftest import Aws, Fault

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # moto makes no bucket policies


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (["--cidr", "203.0.113.7"], "such as 203.0.113.7/32", 2),
        (["--cidr", "203.0.113.7/24"], "has host bits set", 2),
        (["--cidr", "300.0.113.7/32"], "--cidr takes IPv4", 2),
        (["--disk", "8"], "Say --disk 20 or more", 4),
        (["--workers", "-1"], "0 to 64 workers", 2),
        (["--name", "Mi Lab"], "2 to 20 lower-case letters", 2),
        (["--credits", "infinite"], "standard or unlimited", 2),
        (["--domain", "lab.example.org", "--email", "me@example.org"], "--cidr 0.0.0.0/0", 2),
        (["--domain", "lab", "--cidr", "0.0.0.0/0"], "lab.example.org", 2),
        (["--vpc", "vpc-1"], "go together", 2),
        (["--region", "mars-north-1"], "It has: ", 2),
        (["--type", "t9.huge"], "is not offered in us-east-1", 2),
        (["--type", "t4g.large"], "runs arm64", 2),
        (["--image", "ami-00000000"], "no such image", 2),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_made(
    aws: Aws, arguments: list[str], said: str, status: int
) -> None:
    before = len(aws.gate.seen)
    assert said in aws.up(*arguments, status=status)
    assert not {"CreateStack", "PUT object", "PUT bucket"} & set(aws.gate.seen[before:])


def test_without_credentials_it_says_how_to_sign_in(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    from ec2 import cloud

    monkeypatch.setattr(cloud, "new_session", botocore.session.get_session)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "aws sso login" in aws.up(status=2)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE" in aws.up(status=2)


def test_without_a_network_it_says_so_within_10_seconds(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    begun = time.monotonic()
    assert "127.0.0.1:9 does not answer" in aws.up(status=5)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("InvalidClientTokenId", "The security token is invalid", "does not accept these credentials"),
        ("ExpiredToken", "The token has expired", "sign in anew"),
        ("SignatureDoesNotMatch", "The request signature we calculated does not match", "does not accept these"),
        ("OptInRequired", "You are not subscribed", "has not enabled region us-east-1"),
        ("AccessDenied", "User is not authorized.", "may not call sts:get_caller_identity"),
    ],
)
def test_what_the_first_call_is_refused_for_is_told(aws: Aws, code: str, message: str, said: str) -> None:
    aws.gate.faults["GetCallerIdentity"] = Fault(code, message, 403)
    found = aws.labkit("down", status=5 if code == "AccessDenied" else 2)
    assert said in found


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"])
def test_a_clock_that_is_an_hour_off_is_told_with_how_much(aws: Aws, code: str) -> None:
    theirs = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    aws.gate.faults["GetCallerIdentity"] = Fault(code, "Signature expired", 403, headers={"Date": theirs})
    assert "60 minutes off" in aws.labkit("down", status=5)


def test_a_quota_that_holds_no_more_is_told_before_anything_is_made(aws: Aws) -> None:
    aws.gate.faults["GetServiceQuota"] = Fault("", "", body={"Quota": {"Value": 5.0}})
    said = aws.up("--workers", "2", status=4)
    assert "takes 6 vCPUs more" in said and "L-1216C47A" in said
    assert "CreateStack" not in aws.gate.seen[-4:]


def test_a_name_that_somebody_else_has_is_told(aws: Aws) -> None:
    aws.gate.faults["CreateStack"] = Fault("AlreadyExistsException", "Stack [labkit-lab-bucket] already exists")
    assert "Choose another by --name" in aws.up(status=2)


STEPS = [
    ("DescribeInstanceTypeOfferings", 0), ("DescribeInstanceTypes", 0), ("DescribeImages", 0), ("CreateStack", 0),
    ("PUT object", 0), ("CreateStack", 0), ("DescribeStackEvents", 1),
]  # fmt: skip


def test_up_that_fails_at_any_step_is_told_and_goes_on_by_doing_it_again(aws: Aws) -> None:
    for operation, after in STEPS:
        aws.gate.faults = {operation: Fault("InternalFailure", f"broken at {operation}", 400, after)}
        said = aws.up("--name", "steps", *aws.network, status=5)
        assert f"broken at {operation}" in said, said
        aws.gate.faults.clear()
        assert "Traceback" not in said
    assert "https://" in aws.up("--name", "steps", *aws.network)
    for operation in ("DeleteStack", "DeleteParameter"):
        aws.call("ssm", "put_parameter", Name="/labkit/steps/state", Value="ready", Type="String", Overwrite=True)
        aws.gate.faults = {operation: Fault("InternalFailure", f"broken at {operation}", 400)}
        assert f"broken at {operation}" in aws.labkit("down", "--name", "steps", "--yes", status=5)
        aws.gate.faults.clear()
    aws.labkit("down", "--name", "steps", "--yes", "--with-bucket")
    assert "nothing to remove" in aws.labkit("down", "--name", "steps", "--yes")


def test_an_up_that_is_interrupted_says_how_to_go_on_and_does(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    from ec2 import stacks

    def struck(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stacks, "wait", struck)
        assert "The same command goes on" in aws.up("--name", "cut", *aws.network, status=130)
    assert "https://" in aws.up("--name", "cut", *aws.network)
    aws.labkit("down", "--name", "cut", "--yes", "--with-bucket")


@pytest.mark.parametrize(
    ("reason", "said", "status"),
    [
        ("The maximum number of addresses has been reached.", "That is a quota", 4),
        ("labkit-lab already exists", "choose another by --name", 2),
        ("The instance type is not supported here.", "labkit ec2 down clears away", 5),
    ],
)
def test_a_stack_that_fails_tells_what_failed_first_and_how_to_clear_away(
    aws: Aws, reason: str, said: str, status: int
) -> None:
    from ec2 import stacks
    from ec2.cloud import Cloud

    class Broken(Cloud):
        def call(self, service: str, operation: str, *, read_s: float = 0.0, **arguments: Any) -> dict[str, Any]:
            events = [("Head", "CREATE_FAILED", reason), ("WorkerPool", "CREATE_FAILED", "Resource creation cancelled")]
            return {"StackEvents": [
                {"EventId": part, "Timestamp": place, "LogicalResourceId": part, "ResourceStatus": state,
                 "ResourceStatusReason": why}
                for place, (part, state, why) in enumerate(events)
            ]}  # fmt: skip

    fault = stacks.failure(Broken("us-east-1", "en"), "labkit-lab", "ROLLBACK_COMPLETE")
    assert "failed at Head" in str(fault) and said in str(fault) and fault.exit_status == status


def test_a_half_made_stack_is_told_with_the_way_out() -> None:
    from ec2 import stacks
    from ec2.cloud import Cloud, CloudError

    class Half(Cloud):
        def call(self, service: str, operation: str, *, read_s: float = 0.0, **arguments: Any) -> dict[str, Any]:
            assert operation == "describe_stacks", "nothing is made on top of it"
            return {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}

    with pytest.raises(CloudError, match=r"half made .* labkit ec2 down clears it away"):
        stacks.create(Half("us-east-1", "en"), "labkit-lab", "", {"LabName": "lab"}, print)
