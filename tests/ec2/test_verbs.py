"""Each verb against moto's AWS; one module, one account, one lab. Some 15 s on an idle core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ec2.conftest import Aws, Fault

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # moto makes no bucket policies


def test_up_makes_a_bucket_first_then_brings_the_code_there_then_makes_the_lab(lab: Aws) -> None:
    seen = lab.gate.seen
    assert seen.count("CreateStack") == 2
    first = seen.index("CreateStack")
    assert first < seen.index("PUT object") < seen.index("CreateStack", first + 1)
    kept = lab.call("s3", "list_objects_v2", Bucket="labkit-lab-123456789012-us-east-1", Prefix="releases/")["Contents"]
    assert [each["Key"][:16] for each in kept] == ["releases/labkit-"] and kept[0]["Size"] > 100_000


def test_a_second_up_makes_nothing_again(lab: Aws) -> None:
    before = lab.gate.seen.count("CreateStack"), lab.gate.seen.count("PUT object")
    assert "https://" in lab.up("--workers", "2", *lab.network)
    assert (lab.gate.seen.count("CreateStack"), lab.gate.seen.count("PUT object")) == before


def test_a_dry_run_of_up_asks_and_makes_nothing(aws: Aws) -> None:
    before = len(aws.gate.seen)
    said = aws.up("--name", "dry", "--dry-run")
    assert "Would create stack labkit-dry from ec2/lab.yaml" in said and "InstanceType = t3.large" in said
    made = {"CreateStack", "PUT object", "PutParameter"}
    assert not made & set(aws.gate.seen[before:])


def test_status_says_what_runs(lab: Aws) -> None:
    found = json.loads(lab.labkit("status", "--json"))
    assert found["state"] == "running" and found["n_workers"] == 2 == len(found["workers"])
    assert found["credits"] == "standard" and found["first_boot"] == ""
    said = lab.labkit("status")
    assert "not finished" in said and "InService × 2" in said
    lab.call("ssm", "put_parameter", Name="/labkit/lab/state", Value="ready", Type="String", Overwrite=True)
    assert "First boot: ready" in lab.labkit("status")


def test_the_commands_speak_spanish(lab: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_LANG", "es")
    assert "Nodo principal" in lab.labkit("status") and "Coste en us-east-1" in lab.labkit("cost")
    assert "No hay ningún laboratorio" in lab.labkit("status", "--name", "nobody", status=2)


def test_scale_stop_and_start_keep_the_number_of_workers(lab: Aws) -> None:
    assert "3 workers instead of 2" in lab.labkit("scale", "3", "--dry-run")
    assert "3 workers instead of 2" in lab.labkit("scale", "3")
    assert "Would stop" in lab.labkit("stop", "--dry-run")
    assert json.loads(lab.labkit("status", "--json"))["n_workers"] == 3
    lab.labkit("stop")
    found = json.loads(lab.labkit("status", "--json"))
    assert (found["state"], found["n_workers"]) == ("stopped", 0)
    for verb in (["logs"], ["backup"], ["scale", "1"], ["open"]):
        assert "labkit ec2 start first" in lab.labkit(*verb, status=5)
    lab.labkit("stop")  # a second time it forgets nothing
    assert "with 3 workers" in lab.labkit("start")
    found = json.loads(lab.labkit("status", "--json"))
    assert (found["state"], found["n_workers"]) == ("running", 3)
    lab.labkit("scale", "2")


def test_what_works_on_the_head_runs_there_by_systems_manager(lab: Aws) -> None:
    head = json.loads(lab.labkit("status", "--json"))["head"]
    for verb, command in (
        (["logs", "--unit", "api", "--lines", "7"], "journalctl --no-pager -o short-iso -n 7 -u labkit-api"),
        (["backup", "--keep", "3"], "sh /srv/labkit/current/ec2/as-lab.sh backup make --keep 3"),
        (["backup", "--list"], "sh /srv/labkit/current/ec2/as-lab.sh backup list"),
        (["restore", "newest", "--yes"], "bash /srv/labkit/current/ec2/restore.sh newest"),
    ):
        assert command in lab.labkit(*verb, "--dry-run")
        lab.labkit(*verb)
        sent = lab.call("ssm", "list_commands")["Commands"][-1]
        assert sent["Parameters"]["commands"] == [command] and head in sent["InstanceIds"]  # moto names others too
    assert "; rm" not in lab.labkit("restore", "a; rm", "--yes", status=2).replace("'a; rm'", "")


def test_a_command_that_fails_there_is_told_with_its_last_lines(lab: Aws) -> None:
    lab.gate.faults["GetCommandInvocation"] = Fault(
        "", "", body={"Status": "Failed", "StandardOutputContent": "all well", "StandardErrorContent": "no space left"}
    )
    said = lab.labkit("backup", status=5)
    assert "all well" in said and "no space left" in said
    lab.gate.faults = {"SendCommand": Fault("InvalidInstanceId", "Instances not in a valid state for account")}
    assert "does not listen to Systems Manager yet" in lab.labkit("backup", status=5)


def test_open_prints_an_address_with_the_token_and_forwards_a_port(
    lab: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "first boot goes on" in lab.labkit("open", status=5)
    lab.call("ssm", "put_parameter", Name="/labkit/lab/operator-token", Value="abc.def", Type="SecureString")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "session-manager-plugin" in lab.labkit("open", status=2)
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/told\n')
    plugin.chmod(0o755)
    lab.gate.faults["StartSession"] = Fault(
        "", "", body={"SessionId": "s-1", "TokenValue": "t", "StreamUrl": "wss://nobody"}
    )
    assert "https://localhost:9443/?token=abc.def" in lab.labkit("open", "--port", "9443")
    session, region, verb, profile, asked, _ = (tmp_path / "told").read_text().splitlines()
    assert json.loads(session)["SessionId"] == "s-1" and (region, verb, profile) == ("us-east-1", "StartSession", "")
    assert json.loads(asked)["Parameters"] == {"portNumber": ["443"], "localPortNumber": ["9443"]}


def test_update_brings_a_release_and_makes_workers_anew_only_when_the_head_is_ready(lab: Aws) -> None:
    assert "Would replace labkit-" in lab.labkit("update", "--dry-run")
    before = len(lab.gate.seen)
    lab.gate.faults["GetCommandInvocation"] = Fault(
        "", "", body={"Status": "Failed", "StandardErrorContent": "not ready: went back"}
    )
    assert "went back" in lab.labkit("update", status=5)
    assert "SetDesiredCapacity" not in lab.gate.seen[before:] and "PutParameter" not in lab.gate.seen[before:]
    lab.gate.faults.clear()
    assert "The lab runs labkit-" in lab.labkit("update")
    assert lab.gate.seen[before:].count("SetDesiredCapacity") == 2
    assert json.loads(lab.labkit("status", "--json"))["n_workers"] == 2


def test_cost_leaves_blank_what_has_no_price_and_takes_those_that_are_given(lab: Aws) -> None:
    own = ["--price", "t3.large=0.1", "--price", "gp3=0.2", "--price", "public-ipv4=0.01"]
    found = json.loads(lab.labkit("cost", "--json", *own))
    assert {each["what"]: each["month_usd"] for each in found["items"]} == pytest.approx(
        {"t3.large": 3 * 0.1 * 730, "gp3": 3 * 30 * 0.2, "public-ipv4": 3 * 0.01 * 730}
    )
    assert "USD a month" in lab.labkit("cost", *own) and "No price is known for" in lab.labkit("cost")
    for wrong in ("t3.large", "=1", "a=-1", "a=nan"):
        assert "--price takes" in lab.labkit("cost", "--price", wrong, status=2)


def test_down_says_what_goes_and_keeps_the_bucket_unless_told(lab: Aws) -> None:
    said = lab.labkit("down", "--dry-run")
    assert "AWS::EC2::Instance" in said and "stays, with releases" in said
    assert "Remove it?" in lab.labkit("down", typed="n\n")
    assert json.loads(lab.labkit("status", "--json"))["state"] == "running"
    lab.labkit("down", "--yes")
    assert "There is no lab" in lab.labkit("status", status=2)
    assert lab.call("s3", "list_objects_v2", Bucket="labkit-lab-123456789012-us-east-1")["KeyCount"] > 0
    assert lab.call("ssm", "get_parameters_by_path", Path="/labkit/lab/")["Parameters"] == []
    assert "nothing to remove" in lab.labkit("down", "--yes")
    lab.labkit("down", "--yes", "--with-bucket")
    assert lab.call("s3", "list_buckets")["Buckets"] == []
    assert not lab.call("cloudformation", "describe_stacks")["Stacks"]
