"""The dashboard as Grafana reads it: what no query can show to be wrong."""

from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.deployment.prometheus import DASHBOARD, ROOT
from tests.deployment.prometheus.expressions import dashboard

PROVISIONING = ROOT / "docker" / "grafana" / "provisioning"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24

BOARD = dashboard()
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == SOURCE, "the one that is chosen above"
    assert all("legendFormat" in target for target in panel["targets"][1:])


def test_each_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len({*ids})
    titles = [panel["title"] for panel in BOARD["panels"]]
    assert len(titles) == len({*titles})


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= COLUMNS
        assert not cells & taken, panel["title"]
        taken |= cells
    tops = [panel["gridPos"]["y"] for panel in BOARD["panels"]]
    assert all(above <= below for above, below in pairwise(tops)), "in the file as on the screen"


def test_it_is_provisioned_where_compose_puts_it() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = compose["grafana"]["volumes"]
    (provider,) = _provisioned("dashboards/noongil.yml")["providers"]
    folder = DASHBOARD.parent.relative_to(ROOT)
    assert f"./{folder}:{provider['options']['path']}:ro" in mounts
    assert f"./{PROVISIONING.relative_to(ROOT)}:/etc/grafana/provisioning:ro" in mounts
    (source,) = _provisioned("datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    chosen, *_ = BOARD["templating"]["list"]
    assert chosen["current"]["value"] == source["uid"]


def _provisioned(path: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((PROVISIONING / path).read_text())
    return parsed
