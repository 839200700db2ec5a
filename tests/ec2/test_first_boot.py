"""ec2/first-boot.sh for real: on a bare Debian, under its own systemd. Takes some two minutes, most of it packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ec2 import release
from tests.ec2 import instance as aws
from tests.ec2.machine import Machine, listening, machine

ROOT = Path(__file__).resolve().parents[2]
CLONE, RELEASES = "/srv/clone", "/srv/labkit/releases"
RUN = f"cd {CLONE} && sh ec2/first-boot.sh"
UNITS = ("ray", "api", "jupyter", "gateway")
pytestmark = pytest.mark.timeout(900)  # the first test waits for all packages, on a machine that may be busy
# Without the dashboard: how it is built is tested elsewhere, and takes half a minute.
WISHES = {"LABKIT_LANG": "es", "LAB_NO_DASHBOARD": "yes"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a clone, and git, as docs/deploy.md says."""
    with machine(tmp_path_factory.mktemp("machine") / "root") as made:
        made.set_up("sh", "-c", "apt-get -qq update && apt-get -qq install -y git >/dev/null")
        clone = ["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", f"{made.root}{CLONE}"]
        subprocess.run(clone, check=True)
        yield made


@pytest.fixture(scope="module")
def said(bare: Machine) -> str:
    """What the first run said."""
    return bare.set_up("sh", "-c", RUN, **WISHES)


@pytest.fixture(scope="module")
def lab(bare: Machine, said: str) -> Iterator[Machine]:
    """The machine, up, with all that starts by itself."""
    again = bare.set_up("sh", "-c", RUN, **WISHES)
    assert "nothing changed" in again and "changed:" not in again
    bare.boot()
    yield bare
    bare.halt()


def first_boot(lab: Machine, check: bool = True, **more: str) -> str:
    return lab.run("sh", "-c", RUN, check=check, **WISHES, **more)


def current(lab: Machine) -> str:
    """Return the digest of the release that serves."""
    return lab.run("readlink", "/srv/labkit/current").strip().rpartition("/")[2]


def move_packages(lab: Machine, source: str, target: str) -> None:
    """Have the packages, which were copied from one release to another, be that one's: as if installed there."""
    venv = f"{RELEASES}/{target}/.venv"
    named = f"grep -rlI {source} {venv}/bin {venv}/lib/python*/site-packages/*.pth"
    lab.run("sh", "-c", f"{named} | xargs sed -i s/{source}/{target}/g")


def token(lab: Machine) -> str:
    return lab.run("cat", "/var/lib/labkit/keys/operator").strip()


def ask(lab: Machine, path: str, *options: str) -> Any:
    """Return what the gateway answers, as JSON."""
    bearer = ["-H", f"Authorization: Bearer {token(lab)}", "-H", "Content-Type: application/json"]
    return json.loads(lab.run("curl", "-skS", *bearer, *options, f"https://localhost{path}"))


def states(lab: Machine) -> list[str]:
    return lab.run("systemctl", "is-active", *(f"labkit-{unit}" for unit in UNITS), check=False).split()


def test_the_first_run_says_what_it_changes_and_that_nothing_is_started(said: str) -> None:
    for change in ("packages ", "user labkit", "folder /var/lib/labkit", "labkit-gateway starts with the machine"):
        assert f"changed: {change}" in said
    assert "nothing was started, since systemd does not run here" in said
    assert "Unpacking" not in said


def test_a_dry_run_changes_nothing_and_says_what_would(bare: Machine, said: str) -> None:
    file = bare.root / "etc/labkit/services.env"
    before = file.read_text()
    file.write_text(before + "# mine\n")
    assert "would change: /etc/labkit/services.env" in bare.set_up("sh", "-c", f"{RUN} --dry-run", **WISHES)
    assert file.read_text().endswith("# mine\n")
    file.write_text(before)


def test_systemd_finds_nothing_wrong_with_the_units(lab: Machine) -> None:
    found = lab.run("systemd-analyze", "verify", *(f"/etc/systemd/system/labkit-{unit}.service" for unit in UNITS))
    assert "labkit" not in found


def test_all_starts_with_the_machine_and_a_run_there_changes_nothing(lab: Machine) -> None:
    told = first_boot(lab)
    assert "nothing changed" in told and f"https://localhost/?token={token(lab)}" in told
    assert states(lab) == ["active"] * 4
    assert listening(lab) == ["0.0.0.0:443"]


def test_the_lab_answers_by_its_gateway(lab: Machine) -> None:
    assert ask(lab, "/health") == {"status": "alive"}
    parts = {part["name"]: part["ready"] for part in ask(lab, "/health/ready")["parts"]}
    assert parts == {"database": True, "cluster": True, "disk": True, "model": False}
    assert "version" in ask(lab, "/jupyter/api")
    assert ask(lab, "/ray/api/version")["ray_version"]
    assert lab.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://localhost/runs") == "401"


def test_what_others_can_read_is_refused(lab: Machine) -> None:
    for file in ("lab/token", "keys/jupyter"):
        lab.run("chmod", "644", f"/var/lib/labkit/{file}")
        told = first_boot(lab, check=False)
        assert f"{file} is readable by others: chmod 600" in told
        lab.run("chmod", "600", f"/var/lib/labkit/{file}")
    assert "nothing changed" in first_boot(lab)


def test_nobody_but_the_lab_reads_its_secrets(lab: Machine) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert "Permission denied" in lab.run(*nobody, "ls", "/var/lib/labkit", check=False)
    units = lab.run("sh", "-c", "cat /etc/labkit/* /etc/systemd/system/labkit-*")
    for name in ("lab/token", "keys/jupyter", "keys/operator"):
        assert lab.run("cat", f"/var/lib/labkit/{name}").strip() not in units


def test_what_is_killed_starts_again(lab: Machine) -> None:
    lab.run("systemctl", "kill", "--signal=KILL", "labkit-api", "labkit-gateway", "labkit-jupyter")
    lab.wait_for(lambda: states(lab) == ["active"] * 4 and ask(lab, "/health") == {"status": "alive"})


def test_a_model_is_trained_there_and_a_backup_brings_it_back(lab: Machine) -> None:
    asked = {"days": 10, "recipes": ["hgb-small", "logistic-numeric"]}
    run = ask(lab, "/train", "-X", "POST", "-d", json.dumps(asked))["id"]
    lab.wait_for(lambda: ask(lab, f"/train/{run}")["status"] in ("finished", "failed"), 180)
    assert ask(lab, f"/train/{run}")["status"] == "finished"
    lab.wait_for(lambda: ask(lab, "/health/ready")["ready"])
    models = ask(lab, "/models")
    current = "/srv/labkit/current/ec2"
    lab.run("sh", f"{current}/as-lab.sh", "backup", "make")
    lab.run("sh", "-c", "rm -r /var/lib/labkit/lab/models/*")
    lab.run("bash", f"{current}/restore.sh", "newest")
    lab.wait_for(lambda: ask(lab, "/health/ready")["ready"])
    assert ask(lab, "/models") == models
    assert lab.run("find", "/var/lib/labkit/lab/models", "-name", "*.skops").split()


def test_a_restore_that_is_cut_off_leaves_the_lab_up_and_goes_on_when_done_again(lab: Machine) -> None:
    restore = "bash /srv/labkit/current/ec2/restore.sh newest"
    cut = f"{restore} & sleep 1.5; pkill -TERM -f restore.sh; wait"
    lab.run("bash", "-c", cut, check=False)
    lab.wait_for(lambda: states(lab) == ["active"] * 4)
    lab.run("bash", "-c", restore)
    lab.wait_for(lambda: ask(lab, "/health/ready")["ready"])


def test_a_release_that_is_not_ready_is_taken_back(lab: Machine) -> None:
    good, bad = current(lab), "0" * 64
    lab.run("cp", "-a", f"{RELEASES}/{good}", f"{RELEASES}/{bad}")
    move_packages(lab, good, bad)
    lab.run("sh", "-c", f"echo 'raise SystemExit(\"a fault of this release\")' >>{RELEASES}/{bad}/api/__init__.py")
    told = first_boot(lab, check=False, LAB_ARCHIVE=f"/srv/labkit-{bad}.tar.gz", LAB_PATIENCE_S="20")
    assert f"{RELEASES}/{bad} is not ready" in told and f"went back to {RELEASES}/{good}" in told
    assert "a fault of this release" in told
    assert current(lab) == good and ask(lab, "/health") == {"status": "alive"}
    assert "nothing changed" in first_boot(lab)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return release.pack(tmp_path, "en", ROOT).path


@pytest.fixture
def instance(lab: Machine, archive: Path) -> Iterator[dict[str, str]]:
    """AWS as an instance finds it, with a release in the bucket; what tells its programs so is yielded."""
    (archive.parent / f"labkit-{'f' * 64}.tar.gz").write_bytes(b"another content than its name says")
    lab.run("ip", "link", "add", "eth0", "type", "veth", "peer", "far")  # an address as in a subnet; it leads nowhere
    for words in (
        "link set far up",
        "link set eth0 up",
        "addr add 10.0.0.5/24 dev eth0",
        "route add default via 10.0.0.1",
    ):
        lab.run("ip", *words.split())
    with lab.beside(sys.executable, "-m", "tests.ec2.instance", str(archive.parent)) as line:
        assert line == "serving\n"
        yield {
            "LAB_IMDS": aws.URL, "LAB_BUCKET_URL": aws.URL, "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.URL,
            "AWS_ENDPOINT_URL_SSM": aws.SSM_URL,
        }  # fmt: skip


def test_as_a_head_on_aws_it_fetches_its_release_and_tells_the_others_how_to_join(
    lab: Machine, archive: Path, instance: dict[str, str]
) -> None:
    told = {
        "LAB_ROLE": "head", "LAB_NAME": "demo", "LAB_REGION": aws.REGION, "LAB_BUCKET": "labkit-demo",
        "LAB_RELEASE": archive.name, "LABKIT_LANG": "en", "LAB_NO_DASHBOARD": "yes",
    }  # fmt: skip
    (lab.root / "etc/labkit/lab.env").write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    before, fetched = current(lab), archive.name.removeprefix("labkit-").removesuffix(".tar.gz")
    fetch = f"{CLONE}/ec2/fetch.sh"

    wrong = lab.run("bash", fetch, f"labkit-{'f' * 64}.tar.gz", check=False, **instance)
    assert "WARNING: 1 computed checksum did NOT match" in wrong
    absent = lab.run("bash", fetch, f"labkit-{'e' * 64}.tar.gz", check=False, **instance)
    assert "404" in absent

    lab.run("bash", fetch, **instance, LAB_FETCH_ONLY="yes")
    lab.run("cp", "-a", f"{RELEASES}/{before}/.venv", f"{RELEASES}/{fetched}/")
    move_packages(lab, before, fetched)
    said = lab.run("bash", fetch, **instance)
    assert "changed: /etc/systemd/system/labkit-ray.service" in said and current(lab) == fetched
    assert "nothing changed" in lab.run("bash", fetch, **instance)
    assert states(lab) == ["active"] * 4 and ask(lab, "/health") == {"status": "alive"}

    kept = parameters(lab)
    assert kept["/labkit/demo/state"] == ("String", "ready")
    assert kept["/labkit/demo/operator-token"] == ("SecureString", token(lab))
    assert kept["/labkit/demo/ray-token"] == ("SecureString", lab.run("cat", "/var/lib/labkit/lab/token"))
    assert {6379, 6380, 6381, 6382, 6383, 6384} <= {int(place.rpartition(":")[2]) for place in listening(lab)}
    assert "LABKIT_BACKUP_URL=s3://labkit-demo/backups" in lab.run("cat", "/etc/labkit/services.env")


def parameters(lab: Machine) -> dict[str, tuple[str, str]]:
    """Return what Systems Manager keeps of the lab: kinds and values."""
    ask_it = (
        "import boto3, json, sys; found = boto3.client('ssm', 'eu-south-2', endpoint_url=sys.argv[1],"
        " aws_access_key_id='a', aws_secret_access_key='b').get_parameters_by_path(Path='/labkit', Recursive=True,"
        " WithDecryption=True); print(json.dumps({p['Name']: [p['Type'], p['Value']] for p in found['Parameters']}))"
    )
    with lab.beside(sys.executable, "-c", ask_it, aws.SSM_URL) as line:
        return {name: tuple(value) for name, value in json.loads(line).items()}


def test_what_is_written_undoes_all_of_it(lab: Machine) -> None:
    written = (ROOT / "docs/deploy.md").read_text("utf-8")
    (lines,) = [block for block in written.split("```")[1::2] if "userdel labkit" in block]
    lab.run("sh", "-e", "-c", lines)
    assert listening(lab) == []
    assert lab.run("systemctl", "list-units", "--all", "labkit*", "--no-legend") == ""
    elsewhere = ("-not", "-path", f"{CLONE}*", "-not", "-path", "/tmp/*")
    assert lab.run("find", "/", "-xdev", "-name", "*labkit*", *elsewhere) == ""
