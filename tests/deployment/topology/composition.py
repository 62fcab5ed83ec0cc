"""What a Compose file says of its services, as far as processes can honour it."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from tests.deployment.topology.interpolation import interpolated

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class HealthCheck:
    """Times are in seconds."""

    test: Sequence[str]
    interval: float
    timeout: float
    retries: int
    start_period: float

    @property
    def patience(self) -> float:
        """After so long a container that never answered is unhealthy."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True)
class Mount:
    """`source`: a file or folder of the host, or the name of a volume; None: memory."""

    target: str
    source: str | None
    is_volume: bool = False


@dataclass(frozen=True)
class Service:
    name: str
    image: str
    entrypoint: Sequence[str] | None
    command: Sequence[str]
    environment: Mapping[str, str]
    depends_on: Mapping[str, str]
    """Names of services, and the condition each has to meet."""
    health: HealthCheck | None
    mounts: Sequence[Mount]
    secrets: Mapping[str, str]
    """Paths in the container, and the names of what lies there."""
    host_names: Sequence[str]
    networks: frozenset[str]
    restart: str
    replicas: int
    stop_signal: str
    stop_seconds: float


@dataclass(frozen=True)
class Composition:
    """The services of some profiles, and the files of secrets by name."""

    services: Mapping[str, Service]
    secrets: Mapping[str, Path]

    def without(self, name: str) -> Self:
        services = {other: entry for other, entry in self.services.items() if other != name}
        return replace(self, services=services)

    def in_order(self) -> list[Service]:
        """Each after those that it depends on. Raises ValueError for a circle."""
        ordered: dict[str, Service] = {}
        while len(ordered) < len(self.services):
            ready = {
                name: service
                for name, service in self.services.items()
                if name not in ordered and service.depends_on.keys() <= ordered.keys()
            }
            if not ready:
                raise ValueError(f"a circle among {self.services.keys() - ordered.keys()}")
            ordered |= ready
        return list(ordered.values())


def read(file: Path, profiles: set[str], dotenv: Mapping[str, str]) -> Composition:
    """As `docker compose --profile …` would. `dotenv`: what the operator wrote into `.env`; it is
    interpolated, and reaches the containers of services that name an `env_file`.

    Raises MissingVariable; ValueError for what Compose would refuse too.
    """
    document = interpolated(yaml.safe_load(file.read_text("utf-8")), dotenv)
    chosen = {
        name: entry
        for name, entry in document["services"].items()
        if not entry.get("profiles") or profiles & set(entry["profiles"])
    }
    services = {
        name: _service(name, entry, chosen, file.parent, dotenv if "env_file" in entry else {})
        for name, entry in chosen.items()
    }
    secrets = {
        name: file.parent / entry["file"]
        for name, entry in document.get("secrets", {}).items()
        if "file" in entry
    }
    return Composition(services, secrets)


def _service(
    name: str,
    entry: Mapping[str, Any],
    chosen: Mapping[str, Any],
    folder: Path,
    settings: Mapping[str, str],
) -> Service:
    return Service(
        name=name,
        image=entry.get("image", ""),
        entrypoint=None if entry.get("entrypoint") is None else _words(entry["entrypoint"]),
        command=_words(entry.get("command")),
        environment={**settings, **_environment(entry.get("environment"))},
        depends_on=_dependencies(entry.get("depends_on", {}), chosen),
        health=_health(entry.get("healthcheck")),
        mounts=[
            *(_mount(item, folder) for item in entry.get("volumes", [])),
            *(Mount(item.partition(":")[0], None) for item in _listed(entry.get("tmpfs"))),
        ],
        secrets=dict(_secret(item) for item in entry.get("secrets", [])),
        host_names=[name, *_aliases(entry.get("networks"))],
        networks=frozenset(entry.get("networks", ["default"])),
        restart=entry.get("restart", "no"),
        replicas=int(entry.get("deploy", {}).get("replicas", 1)),
        stop_signal=entry.get("stop_signal", "SIGTERM"),
        stop_seconds=seconds(entry.get("stop_grace_period", "10s")),
    )


def seconds(duration: str) -> float:
    """Of "1m30s". Raises ValueError."""
    if not re.fullmatch(f"(?:{_DURATION.pattern})+", duration):
        raise ValueError(f"{duration!r} is no duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


def _words(command: str | Sequence[Any] | None) -> list[str]:
    if isinstance(command, str):
        return shlex.split(command)
    return [str(word) for word in command or ()]


def _listed(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or ()


def _environment(entry: Mapping[str, Any] | Sequence[str] | None) -> dict[str, str]:
    """A name without a value would be passed on from the host: here there is none."""
    if not isinstance(entry, Mapping):
        entry = dict(item.split("=", 1) for item in entry or () if "=" in item)
    return {name: _scalar(value) for name, value in entry.items() if value is not None}


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dependencies(
    entry: Mapping[str, Any] | Sequence[str], chosen: Mapping[str, Any]
) -> dict[str, str]:
    """Raises ValueError where a service that is required is in none of the profiles."""
    if not isinstance(entry, Mapping):
        entry = {name: {"condition": "service_started"} for name in entry}
    absent = [name for name in entry if name not in chosen and entry[name].get("required", True)]
    if absent:
        raise ValueError(f"{absent} are required and in none of the profiles")
    return {name: how["condition"] for name, how in entry.items() if name in chosen}


def _health(entry: Mapping[str, Any] | None) -> HealthCheck | None:
    if entry is None or entry.get("disable"):
        return None
    match entry["test"]:
        case ["CMD", *test]:
            words = [str(word) for word in test]
        case ["CMD-SHELL", command] | str(command):
            words = ["/bin/sh", "-c", command]
        case other:
            raise ValueError(f"{other!r} is no health check")
    return HealthCheck(
        words,
        interval=seconds(entry.get("interval", "30s")),
        timeout=seconds(entry.get("timeout", "30s")),
        retries=int(entry.get("retries", 3)),
        start_period=seconds(entry.get("start_period", "0s")),
    )


def _mount(item: str | Mapping[str, Any], folder: Path) -> Mount:
    if isinstance(item, str):
        source, target, *_ = item.split(":")
        item = {"type": "bind" if source[0] in "./~" else "volume"}
        item |= {"source": source, "target": target}
    match item["type"]:
        case "bind":
            return Mount(item["target"], str(folder / item["source"]))
        case "volume":
            return Mount(item["target"], item["source"], is_volume=True)
        case _:
            return Mount(item["target"], None)


def _secret(item: str | Mapping[str, str]) -> tuple[str, str]:
    if isinstance(item, str):
        item = {"source": item}
    target = item.get("target", item["source"])
    return target if target.startswith("/") else f"/run/secrets/{target}", item["source"]


def _aliases(networks: Any) -> list[str]:
    attached = networks.values() if isinstance(networks, Mapping) else ()
    return [alias for entry in attached if entry for alias in entry.get("aliases", ())]
