"""Prometheus as it is deployed: its configuration, its rules, the dashboard's queries."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "docker" / "prometheus" / "prometheus.yml"
RULES = ROOT / "docker" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "noongil.json"
