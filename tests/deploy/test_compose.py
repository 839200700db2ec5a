"""What the stack promises: pinned images, nobody root, little published, secrets as files, limits, health."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STACK = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = ("labkit:", "labkit-frontend:")
ONCE = {"setup", "tokens"}  # they end when they are done
each = pytest.mark.parametrize("name", SERVICES)


def test_the_services_of_the_design_are_there_and_the_rest_is_a_profile() -> None:
    by_default = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert by_default == {
        "nginx", "frontend", "setup", "tokens", "api", "ray-head", "ray-worker", "jupyter", "postgres",
    }  # fmt: skip
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if name not in by_default}
    assert profiles == {
        **{key: ["services"] for key in ("prediction", "training", "benchmark", "metrics")}, "redis": ["redis"],
        "prometheus": ["monitoring"], "grafana": ["monitoring"],
    }  # fmt: skip
    for name in ("prediction", "training", "benchmark", "metrics"):
        assert SERVICES[name]["environment"]["LABKIT_SERVICES"] == name


@each
def test_nothing_but_the_gateway_is_published_beyond_this_machine(name: str) -> None:
    beyond = [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")]
    assert beyond == (
        ["${LABKIT_HTTP_PORT:-80}:8080", "${LABKIT_HTTPS_PORT:-443}:8443"] if name == "nginx" else []
    )  # fmt: skip
    assert "network_mode" not in SERVICES[name] and "privileged" not in SERVICES[name]


def test_the_ports_are_those_of_the_kit() -> None:
    published = {
        port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", []) if "127" in port
    }
    assert {"3000", "8000", "8888", "6379", "8265"} <= published
    for name in ("api", "ray-worker", "prediction"):  # several copies cannot have one port of the machine
        assert "ports" not in SERVICES[name]


@each
def test_nobody_is_root_or_may_become_more_than_it_is(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert user.isdigit() and int(user) > 0 and group == "1000"
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]


@each
def test_every_image_has_a_whole_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image.startswith(OURS) or re.fullmatch(r"[\w/]+:v?\d+\.\d+(\.\d+)?(-bookworm)?", image), image


@pytest.mark.parametrize("file", ["Dockerfile", "frontend.Dockerfile"])
def test_our_images_have_pinned_bases_a_plain_user_health_and_few_layers(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text()
    bases = re.findall(r"^ARG \w+=(\S+)$", text, flags=re.MULTILINE)
    assert bases and all(re.fullmatch(r"\w+:\d+\.\d+\.\d+(-slim)?-bookworm(-slim)?", base) for base in bases), bases
    last = text.rpartition("\nFROM ")[2]
    assert len(re.findall(r"^(?:RUN|COPY|ADD)", last, flags=re.MULTILINE)) <= 3
    assert re.search(r"^USER \d+:1000$", last, flags=re.MULTILINE) and "HEALTHCHECK" in last


@each
def test_each_has_limits_a_restart_policy_and_a_way_to_tell_its_health(name: str) -> None:
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    health = service["healthcheck"]
    assert health == {"disable": True} if name in ONCE else health["test"] and health["interval"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@each
def test_secrets_are_files_and_only_who_makes_them_may_write_them(name: str) -> None:
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        assert not re.search(r"PASSWORD|TOKEN|SECRET", variable) or str(value).startswith("/keys/"), variable
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{variable} holds a password"
    mounted = [volume for volume in service.get("volumes", []) if volume.startswith("keys:")]
    assert mounted == ([] if name == "frontend" else ["keys:/keys"] if name in ONCE else ["keys:/keys:ro"])


def test_what_must_be_kept_lies_in_named_volumes() -> None:
    used = {
        volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }  # fmt: skip
    assert used == set(STACK["volumes"])
    for name in ("postgres", "redis", "prometheus", "grafana"):
        assert any(volume.startswith(f"{name}:") for volume in SERVICES[name]["volumes"])


def test_what_is_mounted_from_the_clone_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).exists() and volume.endswith(":ro")


def test_nobody_waits_for_somebody_who_is_not_there() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            profiles = SERVICES[other].get("profiles")
            assert not profiles or not how.get("required", True) or profiles == service.get("profiles"), (name, other)
            if how["condition"] == "service_completed_successfully":
                assert other in ONCE
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose: make system-deps")
def test_compose_knows_every_word(tmp_path: Path) -> None:
    known = {name: value for name, value in STACK.items() if name != "name"}  # Debian's knows the words, but not that
    for service in known["services"].values():
        for how in service.get("depends_on", {}).values():
            how.pop("required", None)  # from Compose 2.20 on
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump({"version": "3.9", **known}))
    done = subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "config", "-q"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "LABKIT_KEYS": str(tmp_path)}
    return subprocess.run(
        ["sh", ROOT / "deploy" / "run", *words], env=environment, capture_output=True, text=True, check=True
    )


def test_secrets_are_made_once_and_each_is_readable_by_whom_it_is_for(tmp_path: Path) -> None:
    run(tmp_path, "setup")
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    secret = {name: made[Path(name)] for name in ("ray", "jupyter", "postgres", "redis", "grafana")}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in secret.values()) and len(set(secret.values())) == 5
    assert made[Path("pgpass")] == f"*:*:labkit:labkit:{secret['postgres']}\n"
    assert made[Path("shared/redis.conf")].startswith(f"requirepass {secret['redis']}\n")
    assert made[Path("shared/ray")] == secret["ray"]
    for name in made:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == (0o640 if name.parts[0] == "shared" else 0o600)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o750
    run(tmp_path, "setup")
    assert made == {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}


def test_any_other_word_is_a_command(tmp_path: Path) -> None:
    assert run(tmp_path, "echo", "hello").stdout == "hello\n"


@pytest.mark.parametrize("script", ["run", "slim", "nginx/gateway"])
def test_the_scripts_are_good_for_the_shell(script: str) -> None:
    path = ROOT / "deploy" / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", path], check=True)


def test_the_gateway_looks_for_its_keys_where_the_setup_puts_them(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "LABKIT_KEYS": str(tmp_path)}
    subprocess.run([ROOT / "deploy/run", "setup"], env=environment, check=True)
    found = re.search(
        r"^keys=\$\{GATEWAY_KEYS:-/keys/(.+?)\}", (ROOT / "deploy/nginx/gateway").read_text(), re.MULTILINE
    )
    assert found is not None
    assert {"ray", "jupyter"} <= {path.name for path in (tmp_path / found.group(1)).iterdir()}
