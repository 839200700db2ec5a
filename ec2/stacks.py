"""CloudFormation stacks: made, waited for, looked at and removed; what went wrong, from their own events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ec2.cloud import Absent, Cloud, CloudError
from ec2.text import tr
from labkit.errors import InvalidArgument, LabError, NotEnoughResources

EVERY_S = 5.0
TIMEOUT_S = 1800.0
Tell = Callable[[str], None]

# What a stack that is not whole can become: it can only be removed.
BROKEN = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")


def find(cloud: Cloud, name: str) -> dict[str, Any] | None:
    """Return a stack as AWS describes it, None where there is none."""
    try:
        found = cloud.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
    except Absent:
        return None
    return next((stack for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"), None)


def outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return what a stack tells of itself."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def parameters(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return what a stack was made with."""
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def create(cloud: Cloud, name: str, template: str, values: Mapping[str, str], tell: Tell) -> dict[str, Any]:
    """Make a stack and wait until it is whole; where its making goes on already, wait for that.

    Raises
    ------
    CloudError
        If it cannot be made: what failed first, why, and how to clear it away. `NotEnoughResources` and
        `InvalidArgument` where that was a quota or a name.
    """
    found = find(cloud, name)
    if found is not None and found["StackStatus"] in BROKEN:
        raise CloudError(tr("half_made", cloud.lang, stack=name, status=found["StackStatus"]))
    if found is None:
        cloud.call(
            "cloudformation", "create_stack", StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Tags=[{"Key": "labkit", "Value": values["LabName"]}],
        )  # fmt: skip
    return wait(cloud, name, tell)


def wait(cloud: Cloud, name: str, tell: Tell) -> dict[str, Any]:
    """Wait until a stack is whole, telling of each part that is done; return it."""
    until, told = time.monotonic() + TIMEOUT_S, set[str]()
    while True:
        stack = find(cloud, name)
        if stack is None:
            raise CloudError(tr("gone", cloud.lang, stack=name))
        _tell_events(cloud, name, told, tell)
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return stack
        if status in BROKEN or status.startswith("UPDATE_ROLLBACK"):
            raise failure(cloud, name, status)
        if time.monotonic() > until:
            raise CloudError(tr("slow", cloud.lang, stack=name, status=status))
        time.sleep(EVERY_S)


def delete(cloud: Cloud, name: str, tell: Tell) -> None:
    """Remove a stack and wait until it is gone.

    Raises
    ------
    CloudError
        If parts of it stay: which, and why.
    """
    found = find(cloud, name)
    if found is None:
        return
    cloud.call("cloudformation", "delete_stack", StackName=name)
    until, told = time.monotonic() + TIMEOUT_S, set[str]()
    while (stack := find(cloud, name)) is not None:
        if stack["StackStatus"] == "DELETE_FAILED":
            raise failure(cloud, name, "DELETE_FAILED")
        if time.monotonic() > until:
            raise CloudError(tr("slow", cloud.lang, stack=name, status=stack["StackStatus"]))
        try:
            _tell_events(cloud, name, told, tell)
        except Absent:
            return
        time.sleep(EVERY_S)


def failure(cloud: Cloud, name: str, status: str) -> LabError:
    """Return what a stack's own events say of why it is not whole: what failed first."""
    events = _events(cloud, name)
    failed = [
        each for each in events
        if each["ResourceStatus"].endswith("_FAILED")
        and "cancelled" not in each.get("ResourceStatusReason", "").lower()
    ]  # fmt: skip
    first = failed[0] if failed else {"LogicalResourceId": name, "ResourceStatusReason": status}
    said = str(first.get("ResourceStatusReason", status))
    text = tr("stack_failed", cloud.lang, stack=name, part=first["LogicalResourceId"], said=said, status=status)
    lower = said.lower()
    if "limit" in lower or "quota" in lower or "maximum number" in lower:
        return NotEnoughResources(f"{text} {tr('quota_ask', cloud.lang)}")
    if "already exists" in lower:
        return InvalidArgument(f"{text} {tr('taken_ask', cloud.lang)}")
    return CloudError(text)


def remaining(cloud: Cloud, name: str) -> list[tuple[str, str]]:
    """Return what a stack holds: each part's kind and its own id."""
    try:
        found = cloud.call("cloudformation", "describe_stack_resources", StackName=name)["StackResources"]
    except Absent:
        return []
    return [
        (each["ResourceType"], each.get("PhysicalResourceId", "")) for each in found
        if each["ResourceStatus"] != "DELETE_COMPLETE" and each.get("PhysicalResourceId")
    ]  # fmt: skip


def _events(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Return a stack's events, the oldest first."""
    found = cloud.call("cloudformation", "describe_stack_events", StackName=name)["StackEvents"]
    return sorted(found, key=lambda event: event["Timestamp"])


def _tell_events(cloud: Cloud, name: str, told: set[str], tell: Tell) -> None:
    for event in _events(cloud, name):
        if event["EventId"] not in told:
            told.add(event["EventId"])
            tell(f"{event['ResourceStatus']:<20} {event['LogicalResourceId']}")
