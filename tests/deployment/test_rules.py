"""Alerts that fire when they should, and lead whoever is called to what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.prometheus import CONFIG, ROOT, RULES
from tests.deployment.prometheus.expressions import Rule, rules

PROMTOOL = shutil.which("promtool")
UNIT_TESTS = sorted(Path(__file__).parent.glob("prometheus/*.test.yml"))
ALERTS = [rule for rule in rules() if rule.is_alert]
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PORTS = {"api": 8000, "encoder": 8001, "jobs": 8002}

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="there is no promtool (apt install prometheus)"
)


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "--lint=all", "--lint-fatal", str(RULES)],
        ["check", "config", "--syntax-only", str(CONFIG)],
        ["test", "rules", *map(str, UNIT_TESTS)],
    ],
    ids=["rules", "config", "unit tests"],
)
def test_promtool_finds_no_fault(arguments: list[str]) -> None:
    assert PROMTOOL
    command = [PROMTOOL, *arguments]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: Rule) -> None:
    assert re.fullmatch(r"\d+m", alert.raw["for"]), "what lasts a moment calls nobody"
    assert alert.raw["labels"]["severity"] in {"critical", "warning", "info"}
    annotations = alert.raw["annotations"]
    assert annotations["summary"]
    assert annotations["runbook"] == f"docs/operations.md#{alert.name.lower()}"


def test_the_guide_has_a_section_for_each_alert_and_for_no_other() -> None:
    sections = re.findall(r"^### (Noongil\w+)$", GUIDE, re.MULTILINE)
    assert sections == [alert.name for alert in ALERTS]


def test_each_alert_is_seen_to_fire() -> None:
    fired = {
        name
        for file in UNIT_TESTS
        for case in yaml.safe_load(file.read_text())["tests"]
        for expected in case["promql_expr_test"]
        for sample in expected["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired == {alert.name for alert in ALERTS}


def test_what_is_scraped_is_what_compose_runs() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    jobs = {job["job_name"]: job for job in yaml.safe_load(CONFIG.read_text())["scrape_configs"]}
    for job, port in PORTS.items():
        (found,) = jobs[job]["dns_sd_configs"]
        assert (found["names"], found["port"]) == ([job], port)
        ours = {name for name in compose["services"] if re.fullmatch(rf"{job}(-\w+)?", name)}
        assert _scraped(compose["services"], job) == ours
    secret = jobs["api"]["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert secret in compose["services"]["prometheus"]["secrets"]
    mounted = compose["services"]["prometheus"]["volumes"]
    assert "./docker/prometheus:/etc/prometheus:ro" in mounted


def _scraped(services: dict[str, Any], host_name: str) -> set[str]:
    """Those that go by the name in a network of Prometheus."""
    return {
        name
        for name, entry in services.items()
        for network in {*entry["networks"]} & {*services["prometheus"]["networks"]}
        if host_name in {name, *_aliases(entry["networks"], network)}
    }


def _aliases(networks: Any, network: str) -> list[str]:
    attached = networks[network] if isinstance(networks, dict) else None
    return list((attached or {}).get("aliases", []))
