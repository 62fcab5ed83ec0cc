"""The command line: which command is where. Of those that are not asked for nothing is imported."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from app import logs
from app.config import Settings
from app.failures import one_line_failures

COMMANDS = {
    "demo": "demo:demo",
    "index": "index:index",
    "index stats": "inspection:stats",
    "index verify": "inspection:verify",
    "index recall": "inspection:recall",
    "search": "search:search",
    "serve": "serve:serve",
    "encoder": "encoder:encoder_worker",
    "jobs": "jobs:jobs",
    "jobs list": "jobs:list_jobs",
    "jobs cancel": "jobs:cancel_job",
    "db": "database:database_cli",
    "collections": "collections:collections_cli",
    "versions": "versions:versions_cli",
    "keys": "keys:keys_cli",
    "models": "models:list_models",
    "eval": "evaluate:evaluate",
    "backup": "backup:backup",
    "backup verify": "backup:verify",
    "restore": "backup:restore",
}
"""By name, in one word or two: a module of app.commands, and in it a function or more commands."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = _imported(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """`index stats` is a command beside `index`, whose argument may be anything else."""
        if (name := " ".join(args[:2])) in COMMANDS:
            args = [name, *args[2:]]
        return super().resolve_command(ctx, args)


def _imported(name: str) -> Any:
    module, _, what = COMMANDS[name].partition(":")
    found = getattr(import_module(f"app.commands.{module}"), what)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer()
    alone.command(name, epilog=_see_also(name))(found)
    return typer.main.get_command(alone)


def _see_also(name: str) -> str | None:
    beside = [other for other in COMMANDS if other.startswith(f"{name} ")]
    if not beside:
        return None
    commands = ", ".join(f"`noongil {other}`" for other in beside)
    words = " or ".join(other.removeprefix(f"{name} ") for other in beside)
    return f"See also {commands}. What is called {words} itself is written with ./ before it."


cli = typer.Typer(
    cls=_Commands,
    help="Noongil (눈길): semantic image search in Korean and English.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@cli.callback()
def _configure() -> None:
    logs.configure(Settings())


def main() -> None:
    with one_line_failures():
        cli()
