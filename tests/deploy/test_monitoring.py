"""Prometheus takes its settings and reads every expression of the dashboards; Grafana itself does not run here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from api.metrics import Meters

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in (MONITORING / "grafana" / "dashboards").glob("*.json")
}
needs_prometheus = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus: make system-deps")
# What Ray 2.60 tells of itself, of all that it tells; read from its nodes in tests/cluster.
RAYS = {
    "ray_tasks", "ray_actors", "ray_node_cpu_utilization", "ray_node_mem_used", "ray_node_network_receive_speed",
    "ray_node_network_send_speed",
}  # fmt: skip


def expressions() -> dict[str, str]:
    return {
        f"{name}_{panel['id']}_{target['refId']}": target["expr"]
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


@needs_prometheus
def test_prometheus_takes_its_settings(tmp_path: Path) -> None:
    config = (MONITORING / "prometheus.yml").read_text().replace("/keys/shared/prometheus", str(tmp_path / "token"))
    (tmp_path / "token").write_text("x")
    (tmp_path / "prometheus.yml").write_text(config)
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_those_who_have_something_to_tell() -> None:
    jobs = {
        job["job_name"]: job for job in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    }
    assert jobs["labkit"]["dns_sd_configs"][0]["names"] == ["api", "metrics"]
    assert jobs["ray"]["dns_sd_configs"][0]["port"] == 6385
    assert "--metrics-export-port=6385" in (MONITORING.parent / "run").read_text()


@needs_prometheus
def test_every_expression_of_a_dashboard_is_good_promql(tmp_path: Path) -> None:
    rules = [{"record": f"r:{name.replace('-', '_')}", "expr": text} for name, text in expressions().items()]
    assert len(rules) >= 20
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_of_a_dashboard_is_told_by_somebody() -> None:
    told = {
        name
        for family in Meters().registry.collect()
        for name in (family.name, *(family.name + end for end in ("_total", "_count", "_sum", "_bucket")))
    } | RAYS  # fmt: skip
    for place, text in expressions().items():
        asked = set(re.findall(r"\b(?:labkit|ray)_\w+", re.sub(r'"[^"]*"', "", text)))
        assert asked <= told or asked == set(), (place, asked - told)


@pytest.mark.parametrize("name", ["api", "ray", "training"])
def test_a_dashboard_is_whole(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"labkit-{name}" and dashboard["title"] and not dashboard["editable"]
    source = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["datasource"]["uid"] == source["uid"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["fieldConfig"]["defaults"]["unit"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)


def test_grafana_is_told_of_every_dashboard_and_of_prometheus() -> None:
    assert set(DASHBOARDS) == {"api", "ray", "training"}
    provider = yaml.safe_load((MONITORING / "grafana" / "dashboards" / "labkit.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    stack = yaml.safe_load((MONITORING.parents[1] / "compose.yaml").read_text())["services"]
    assert "./deploy/monitoring/grafana:/etc/grafana/provisioning:ro" in stack["grafana"]["volumes"]
