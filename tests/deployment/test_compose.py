"""docker-compose.yml: what an operator relies on before an engine has read it."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.cli import cli
from app.config import Settings
from app.connections.protocol import GRACE_SECONDS
from tests.deployment.topology import composition
from tests.deployment.topology.composition import Composition, seconds
from tests.deployment.topology.interpolation import MissingVariable, interpolated

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PASSWORD_FILE = {"NOONGIL_DATABASE_PASSWORD_FILE": "docker/no_secret"}
DOCUMENT = yaml.safe_load(FILE.read_text())
SERVICES: Mapping[str, Any] = interpolated(DOCUMENT, PASSWORD_FILE)["services"]
OURS = [name for name, entry in SERVICES.items() if entry["image"].startswith("noongil:")]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^{}]*))?")

every_service = pytest.mark.parametrize("name", SERVICES)


def read(*profiles: str) -> Composition:
    return composition.read(FILE, set(profiles), PASSWORD_FILE)


def exempt(name: str, rule: str) -> str:
    """The stated reason for which a rule does not hold; empty where there is none."""
    return str(SERVICES[name].get("x-exempt", {}).get(rule, ""))


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.tls.yml"])
def test_it_is_a_compose_file(file: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(ROOT / file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_without_a_database_password_nothing_starts_and_the_message_says_why() -> None:
    with pytest.raises(MissingVariable, match="NOONGIL_DATABASE_PASSWORD_FILE: set it to"):
        composition.read(FILE, {"cpu"}, {})


def test_no_secret_has_a_default_that_works() -> None:
    secrets = interpolated(DOCUMENT, PASSWORD_FILE)["secrets"]
    defaults = {name: ROOT / entry["file"] for name, entry in secrets.items()}
    del defaults["noongil_database_password"]
    for name, file in defaults.items():
        assert not file.exists() or file.read_bytes() == b"", name


@every_service
def test_no_secret_stands_in_a_variable(name: str) -> None:
    """What `docker inspect` shows, and every child process inherits."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET_|CREDENTIAL", variable):
            assert variable.endswith("_FILE"), variable
            named = str(value).removeprefix("/run/secrets/")
            assert named in SERVICES[name]["secrets"]


@every_service
def test_a_service_that_is_broken_into_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] or exempt(name, "read_only")
    user = str(service.get("user", "root")).partition(":")[0]
    assert user not in {"root", "0"} or exempt(name, "user")
    assert "privileged" not in service


@every_service
def test_no_service_takes_the_machine_from_the_others(name: str) -> None:
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    for mount in service.get("tmpfs", []):
        assert ":size=" in mount, "it is memory"


@pytest.mark.parametrize("name", sorted({*OURS} - {"migrate"}))
def test_a_service_has_no_more_threads_than_processors(name: str) -> None:
    service = SERVICES[name]
    processors = service["deploy"]["resources"]["limits"]["cpus"]
    environment = service["environment"]
    assert environment["OMP_NUM_THREADS"] == processors
    assert environment.get("NOONGIL_DECODE_THREADS", processors) == processors


@every_service
def test_a_service_comes_back_says_whether_it_is_ready_and_is_given_time_to_stop(
    name: str,
) -> None:
    service = SERVICES[name]
    assert service["init"], "what it leaves behind is reaped"
    assert "stop_grace_period" in service
    if exempt(name, "healthcheck"):
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"].keys() >= {"test", "interval", "timeout", "start_period"}


@every_service
def test_every_image_is_of_one_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+(\.\d+)?|RELEASE\.\d{4}-", tag)


@every_service
def test_what_is_mounted_from_the_project_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith(".") and source != "./pictures":
            assert volume.endswith(":ro")
            assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", OURS)
def test_noongils_own_services_are_told_what_noongil_understands(name: str) -> None:
    fields = {f"NOONGIL_{field.upper()}" for field in Settings.model_fields}
    environment = SERVICES[name]["environment"]
    assert {each for each in environment if each.startswith("NOONGIL_")} <= fields
    settings = {
        variable.removeprefix("NOONGIL_").lower(): value
        for variable, value in environment.items()
        if variable.startswith("NOONGIL_")
    }
    assert Settings(**settings).auth == "on"
    shown = CliRunner().invoke(cli, [*SERVICES[name]["command"], "--help"])
    assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize(
    "profiles",
    [
        ("cpu",),
        ("gpu",),
        ("gpu", "second-gpu"),
        ("cpu", "observability"),
        ("cpu", "scale"),
        ("gpu", "observability", "scale"),
    ],
    ids="+".join,
)
def test_a_profile_has_all_that_its_services_depend_on(profiles: tuple[str, ...]) -> None:
    services = read(*profiles).in_order()
    names = {name for service in services for name in service.host_names}
    assert names >= {"proxy", "api", "encoder", "jobs", "postgres", "migrate"}
    for service in services:
        for name, condition in service.depends_on.items():
            assert condition != "service_healthy" or read(*profiles).services[name].health


def test_the_profile_for_laptops_asks_for_no_gpu() -> None:
    for name in read("cpu", "observability", "scale").services:
        assert "reservations" not in SERVICES[name]["deploy"]["resources"], name
    for name in ("encoder", "encoder-1", "jobs"):
        (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
        assert len(device["device_ids"]) == 1, "one process a device"


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert name == "proxy" or port.startswith("127.0.0.1:"), port


def test_the_proxy_reaches_the_api_alone() -> None:
    """The encoder asks no key; the database only a password."""
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    beside = {name for name in networks if networks[name] & networks["proxy"]}
    assert beside == {"proxy", "api"}
    assert interpolated(DOCUMENT, PASSWORD_FILE)["networks"]["back"]["internal"]


def test_replicas_of_the_api_can_be_added() -> None:
    assert "container_name" not in SERVICES["api"]
    assert "ports" not in SERVICES["api"]
    assert DOCUMENT["services"]["api"]["deploy"]["replicas"] == "${NOONGIL_API_REPLICAS:-1}"


def test_a_server_that_stops_is_given_the_time_it_takes() -> None:
    api = SERVICES["api"]
    drain = float(api["environment"]["NOONGIL_DRAIN_SECONDS"])
    assert seconds(api["stop_grace_period"]) > drain + GRACE_SECONDS
    assert seconds(SERVICES["proxy"]["stop_grace_period"]) > GRACE_SECONDS


def test_the_health_checks_ask_the_ports_that_are_listened_on() -> None:
    ports = {"api": "8000", "encoder": "8001", "encoder-cpu": "8001", "jobs": "8002"}
    for name, port in ports.items():
        *command, url = SERVICES[name]["healthcheck"]["test"]
        assert (ROOT / command[-1]).is_file()
        assert url == f"http://127.0.0.1:{port}/readyz"
        listened = {*SERVICES[name]["command"], *SERVICES[name]["environment"].values()}
        assert port in listened


def test_the_example_for_operators_names_every_variable_with_its_default() -> None:
    assert dict(example()) == variables() | {
        "COMPOSE_PROFILES": "cpu",
        "COMPOSE_FILE": "docker-compose.yml:docker-compose.tls.yml",
        "NOONGIL_MODEL": Settings().model,
        "NOONGIL_MILVUS_URI": "http://milvus:19530",
    }


def example() -> Iterator[tuple[str, str]]:
    text = (ROOT / "docker" / "env.example").read_text()
    return iter(re.findall(r"^(?:# )?([A-Z]\w+)=(.*)$", text, re.MULTILINE))


def variables() -> dict[str, str]:
    """Of both files, as the example shows them: a place for what has no default that works.

    The last default holds where a file has several: that without a GPU.
    """
    found: dict[str, str] = {}
    for file in (FILE, ROOT / "docker-compose.tls.yml"):
        found.update(VARIABLE.findall(re.sub("#.*", "", file.read_text())))
    for name in found:
        if name.endswith("_FILE"):
            place = name.removeprefix("NOONGIL_").removesuffix("_FILE").lower()
            found[name] = f"./secrets/{place}" + (".pem" if "TLS" in name else "")
    return found
