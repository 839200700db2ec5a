"""The templates and scripts as they stand; no AWS, some 5 s for cfn-lint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import ports
from ec2.costs import read_prices
from ec2.text import texts

FOLDER = Path(__file__).parents[2] / "ec2"
SCRIPTS = sorted(FOLDER.glob("*.sh"))


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as their long ones."""


def _function(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _function)
LAB, BUCKET = (yaml.load((FOLDER / name).read_text(), Loader) for name in ("lab.yaml", "bucket.yaml"))


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {name: part["Properties"] for name, part in LAB["Resources"].items() if part["Type"] == kind}


def statements() -> list[dict[str, Any]]:
    roles = of("AWS::IAM::Role").values()
    return [each for role in roles for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_cfn_lint_finds_nothing() -> None:
    command = [Path(sys.executable).with_name("cfn-lint"), FOLDER / "lab.yaml", FOLDER / "bucket.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_tls_is_open_to_a_given_cidr_and_rays_ports_to_the_nodes_alone() -> None:
    inwards = [
        rule for group in of("AWS::EC2::SecurityGroup").values() for rule in group.get("SecurityGroupIngress", [])
    ]
    inwards += of("AWS::EC2::SecurityGroupIngress").values()
    from_outside = [rule for rule in inwards if "SourceSecurityGroupId" not in rule]
    assert [(rule["FromPort"], rule["ToPort"], rule["CidrIp"]) for rule in from_outside] == [
        (443, 443, {"Ref": "WebCidr"})
    ]
    among = {(rule["FromPort"], rule["ToPort"]) for rule in inwards if rule not in from_outside}
    assert among == {(ports.HEAD_PORT, max(ports.PORTS.values())), (ports.WORKER_PORTS[0], ports.WORKER_PORTS[-1])}
    assert "Default" not in LAB["Parameters"]["WebCidr"], "who may come is a decision"
    assert not any(rule["FromPort"] <= 22 <= rule["ToPort"] for rule in inwards)


def test_no_right_has_a_wildcard_but_for_names_under_the_labs_own() -> None:
    assert statements()
    for statement in statements():
        for action in listed(statement["Action"]):
            assert "*" not in action, action
        for resource in listed(statement["Resource"]):
            text = resource["Fn::Sub"]
            assert "*" not in text or text.endswith(
                ("${BucketName}/releases/*", "${BucketName}/backups/*", "${LabName}/*")
            )
    worker = list(of("AWS::IAM::Role")["WorkerRole"]["Policies"])
    actions = {
        action
        for policy in worker
        for each in policy["PolicyDocument"]["Statement"]
        for action in listed(each["Action"])
    }
    assert actions == {"s3:GetObject", "ssm:GetParameter"}, "a worker changes nothing"


def test_disks_are_encrypted_gp3_and_the_metadata_want_a_token() -> None:
    launched = [each["LaunchTemplateData"] for each in of("AWS::EC2::LaunchTemplate").values()]
    for each in launched:
        assert each["MetadataOptions"] == {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "HttpEndpoint": "enabled",
        }
    [head] = of("AWS::EC2::Instance").values()
    assert head["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": "HeadTemplate"}
    disks = [disk["Ebs"] for each in [*launched, head] for disk in each.get("BlockDeviceMappings", [])]
    assert len(disks) == 2 and all(disk["Encrypted"] is True and disk["VolumeType"] == "gp3" for disk in disks)
    assert "KeyName" not in json.dumps(LAB)


def test_the_bucket_is_versioned_encrypted_closed_and_outlives_its_stack() -> None:
    bucket = BUCKET["Resources"]["Bucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    settings = bucket["Properties"]
    assert settings["VersioningConfiguration"] == {"Status": "Enabled"}
    assert settings["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(settings["PublicAccessBlockConfiguration"].values()) == {True}


def test_t3_large_is_the_default_and_how_it_bursts_is_on_record() -> None:
    assert LAB["Parameters"]["InstanceType"]["Default"] == "t3.large"
    assert LAB["Parameters"]["CpuCredits"]["Default"] == "standard"
    [head] = of("AWS::EC2::Instance").values()
    assert any(tag["Key"] == "labkit-credits" for tag in head["Tags"])


def test_what_an_instance_is_told_fits_into_its_user_data() -> None:
    fetch = (FOLDER / "fetch.sh").read_text()
    assert len(fetch) <= 4096, "a parameter of CloudFormation holds no more"
    for told in (
        of("AWS::EC2::Instance")["Head"],
        of("AWS::EC2::LaunchTemplate")["WorkerTemplate"]["LaunchTemplateData"],
    ):
        text = told["UserData"]["Fn::Base64"]["Fn::Sub"]
        assert text.endswith("${Fetch}\n") and "LAB_RELEASE=${Release}" in text
        assert len(text) + len(fetch) < 16_384


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_ones_that_a_shell_reads(script: Path) -> None:
    shell = script.read_text().splitlines()[0].rpartition("/")[2]
    assert subprocess.run([shell, "-n", script], capture_output=True, text=True).stderr == ""


def test_each_price_has_a_page_of_aws_and_the_file_a_date() -> None:
    prices = read_prices()
    assert len(prices["date"]) == 10
    for each in prices["prices"]:
        assert each["source"].startswith(("https://aws.amazon.com/", "https://docs.aws.amazon.com/")), each
        assert each["usd"] is None or each["usd"] > 0


def test_every_text_is_there_in_both_languages_with_the_same_values() -> None:
    from string import Formatter

    for key, text in texts().items():
        fields = [{name for _, name, _, _ in Formatter().parse(text[lang]) if name} for lang in ("en", "es")]
        assert set(text) == {"en", "es"} and fields[0] == fields[1], key
