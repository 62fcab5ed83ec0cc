"""What the images of the file bring, and their entry points do before the command runs."""

import re
import shutil
import stat
import sys
from collections.abc import Callable
from os import geteuid
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.topology.composition import Service
from tests.deployment.topology.container import Container

Prepare = Callable[[Container, Service], list[str]]
"""The files and the environment that an image brings; the command of the main process."""

_REPOSITORY = Path(__file__).parents[3]
_PREPARE_SECONDS = 60.0
_SHIM = """#!{python}
import runpy, sys
sys.argv = ["ready.py", sys.argv[-1]]
runpy.run_path("{ready}", run_name="__main__")
"""


def preparation(service: Service) -> Prepare:
    """Raises KeyError for an image that nothing is known of."""
    return _IMAGES[service.image.rpartition("/")[2].partition(":")[0]]


def _noongil(container: Container, service: Service) -> list[str]:
    (container.folder / "docker").symlink_to(_REPOSITORY / "docker")
    for inside in service.secrets:  # it reads them in /run/secrets, which is this machine's
        name = Path(inside).name.upper()
        container.environment[name] = container.path(inside).read_text().strip()
    return [*(service.entrypoint or ["noongil"]), *map(container.told, service.command)]


def _postgres(container: Container, service: Service) -> list[str]:
    wheel = pytest.importorskip("pgserver", reason="PostgreSQL comes with the wheel pgserver")
    programs = Path(wheel.__file__).with_name("pginstall") / "bin"
    container.environment["PATH"] = f"{programs}:{container.environment['PATH']}"
    if geteuid() == 0:
        _let_in("pgserver", container, wheel.utils, programs)
    data = container.path("/var/lib/postgresql/data")
    if not (data / "PG_VERSION").exists():
        _create_database(container, data)
    program, *arguments = map(container.told, service.command)
    listening = f"listen_addresses={container.address}"
    sockets = f"unix_socket_directories={container.path('/var/run/postgresql')}"
    return [program, "-D", str(data), "-c", listening, "-c", sockets, *arguments]


def _create_database(container: Container, data: Path) -> None:
    said = container.environment
    name = said["POSTGRES_USER"]
    password = f"--pwfile={said['POSTGRES_PASSWORD_FILE']}"
    options = ["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8"]
    options += said.get("POSTGRES_INITDB_ARGS", "").split()
    _require_done(container, ["initdb", "-D", str(data), "-U", name, password, *options])
    with (data / "pg_hba.conf").open("a") as access:
        access.write("host all all all scram-sha-256\n")
    single = ["postgres", "--single", "-D", str(data), "postgres"]
    _require_done(container, single, f"CREATE DATABASE {said['POSTGRES_DB']}\n")


def _let_in(user: str, container: Container, utils: Any, programs: Path) -> None:
    """Whose processes run in the container from now on: PostgreSQL refuses to run as root."""
    container.user = user
    utils.ensure_user_exists(user)
    readable = stat.S_IRGRP | stat.S_IROTH
    utils.ensure_prefix_permissions(programs)
    utils.ensure_folder_permissions(programs, readable | stat.S_IXGRP | stat.S_IXOTH)
    utils.ensure_folder_permissions(programs.parent / "lib", readable)
    for inside in ("/var/lib/postgresql/data", "/var/run/postgresql", "/tmp"):  # noqa: S108
        shutil.chown(container.path(inside), user)


def _nginx(container: Container, service: Service) -> list[str]:
    """With its configuration in this machine's paths and addresses."""
    mounted = container.path("/etc/nginx/noongil")
    own = container.folder / "nginx"
    shutil.copytree(mounted, own)
    container.move("/etc/nginx/noongil", own)
    for file in own.rglob("*.conf"):
        text = container.told(file.read_text("utf-8"))
        file.write_text(re.sub(r"\blisten (?=\d+[ ;])", f"listen {container.address}:", text))
    if shutil.which("wget") is None:
        _write_wget(container)
    return [*map(container.told, [*(service.entrypoint or ["nginx"]), *service.command])]


def _write_wget(container: Container) -> None:
    """As much of it as a health check asks for."""
    folder = container.folder / "bin"
    folder.mkdir()
    ready = _REPOSITORY / "docker" / "ready.py"
    (folder / "wget").write_text(_SHIM.format(python=sys.executable, ready=ready))
    (folder / "wget").chmod(0o755)
    container.environment["PATH"] = f"{folder}:{container.environment['PATH']}"


def _require_done(container: Container, command: list[str], stdin: str = "") -> None:
    ran = container.run(command, _PREPARE_SECONDS, stdin)
    if ran.returncode:
        raise RuntimeError(f"{command[0]}: {ran.stdout}{ran.stderr}")


_IMAGES: dict[str, Prepare] = {
    "noongil": _noongil,
    "postgres": _postgres,
    "nginx-unprivileged": _nginx,
}
