"""A real Prometheus on loopback, with the configuration that is deployed."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.app.servers import free_port
from tests.deployment.prometheus import CONFIG, RULES

BINARY = shutil.which("prometheus")
_START_SECONDS = 60
_EVERY = "250ms"
"""Scrapes and evaluations: fifteen seconds of a deployment pass in one."""


class Prometheus:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def targets(self) -> dict[str, str]:
        """Job → up, down or unknown."""
        active = self._get("/targets")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in active}

    def rules(self) -> dict[str, tuple[str, str]]:
        """Name → health, last error."""
        groups = self._get("/rules")["groups"]
        return {
            rule["name"]: (rule["health"], rule.get("lastError", ""))
            for group in groups
            for rule in group["rules"]
        }

    def alerts(self) -> set[str]:
        """That fire, or will if it stays like this."""
        return {alert["labels"]["alertname"] for alert in self._get("/alerts")["alerts"]}

    def values(self, expression: str) -> list[float]:
        """Of all series, over the last minute, as a panel asks for them."""
        now = time.time()
        asked = {"query": expression, "start": now - 60, "end": now, "step": 0.5}
        series = self._get("/query_range", asked)["result"]
        return [float(value) for one in series for _, value in one["values"]]

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data


@contextmanager
def prometheus(folder: Path, targets: dict[str, str], key: str) -> Iterator[Prometheus]:
    """Scraping `targets` (job → address), with the API's `key`."""
    assert BINARY
    address, config = f"127.0.0.1:{free_port()}", folder / "prometheus.yml"
    (folder / "key").write_text(key)
    here = _configuration(targets | {"prometheus": address}, folder / "key")
    config.write_text(yaml.safe_dump(here))
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                BINARY,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stderr=log,
        )
    try:
        _await(process, f"http://{address}/-/ready", folder / "prometheus.log")
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=20) as client:
            yield Prometheus(client)
    finally:
        process.kill()
        process.wait()


def _configuration(targets: dict[str, str], key: Path) -> dict[str, Any]:
    """The deployed one: only its names on the network, and its haste, are others."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), _EVERY
    )
    config["rule_files"] = [str(RULES)]
    for scrape in config["scrape_configs"]:
        scrape.pop("dns_sd_configs", None)
        scrape["static_configs"] = [{"targets": [targets[scrape["job_name"]]]}]
        if "authorization" in scrape:
            scrape["authorization"]["credentials_file"] = str(key)
    return config


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    over = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < over, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
