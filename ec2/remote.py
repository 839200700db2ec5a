"""Commands on an instance by Systems Manager: no port is open for that, and AWS records who ran what."""

from __future__ import annotations

import re
import time

from ec2.cloud import Cloud, CloudError
from ec2.text import tr

EVERY_S = 2.0
_APPEARS_S = 10.0
_FINAL = ("Success", "Cancelled", "TimedOut", "Failed", "Undeliverable", "Terminated")


def run(cloud: Cloud, instance: str, command: str, *, timeout_s: int = 600) -> str:
    """Run a shell command as root on an instance, wait for its end, and return what it printed.

    Parameters
    ----------
    cloud : Cloud
    instance : str
        Its id.
    command : str
        For `sh`.
    timeout_s : int
        In seconds, for the command itself.

    Raises
    ------
    CloudError
        If the instance is not to be reached, or the command fails: with its last lines.
    """
    try:
        sent = cloud.call(
            "ssm", "send_command", InstanceIds=[instance], DocumentName="AWS-RunShellScript",
            Parameters={"commands": [command], "executionTimeout": [str(timeout_s)]}, Comment="labkit",
        )["Command"]["CommandId"]  # fmt: skip
    except CloudError as fault:
        if "InvalidInstanceId" in str(fault):
            raise CloudError(tr("unreachable", cloud.lang, instance=instance)) from fault
        raise
    begun = time.monotonic()
    while True:
        try:
            found = cloud.call("ssm", "get_command_invocation", CommandId=sent, InstanceId=instance)
        except CloudError as fault:
            if "InvocationDoesNotExist" not in str(fault) or time.monotonic() - begun > _APPEARS_S:
                raise
            found = {"Status": "Pending"}
        if found["Status"] in _FINAL:
            break
        if time.monotonic() - begun > timeout_s + 60:
            raise CloudError(tr("command_slow", cloud.lang, command=sent, instance=instance))
        time.sleep(EVERY_S)
    printed = str(found.get("StandardOutputContent", "")).strip()
    if found["Status"] != "Success":
        said = "\n".join(part for part in (printed, str(found.get("StandardErrorContent", "")).strip()) if part)
        shown = "\n".join(re.split(r"\n", said)[-15:]) or found["Status"]
        raise CloudError(tr("command_failed", cloud.lang, command=sent, instance=instance, said=shown))
    return printed
