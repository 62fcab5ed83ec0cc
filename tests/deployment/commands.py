"""Commands that documentation shows, and whether the programs would understand them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from app.cli import cli

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"^\w+=")

_FLAGS = {
    "build": set[str](),
    "exec": {"-T"},
    "logs": {"--follow"},
    "ps": {"--quiet"},
    "run": {"--rm"},
    "up": {"--detach", "--wait", "--no-deps", "--no-recreate"},
}
_WITH_VALUE = {"run": {"--volume"}, "up": {"--scale"}}


def lines(file: Path) -> Iterator[Sequence[str]]:
    """The words of each line in a block of shell, comments and variables before it left out."""
    for block in _BLOCK.findall(file.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(re.sub(r"^\w+=\$\((.*)\)$", r"\1", line), comments=True)
            while words and _ASSIGNMENT.match(words[0]):
                words = words[1:]
            if words:
                yield words


def assignments(file: Path) -> Iterator[str]:
    """Names of the variables that blocks set, in a line of their own or before a command."""
    for block in _BLOCK.findall(file.read_text()):
        for line in block.splitlines():
            for word in line.split():
                if not _ASSIGNMENT.match(word):
                    break
                yield word.partition("=")[0]


def compose_services(words: Sequence[str]) -> Sequence[str]:
    """Of `docker compose …`: the services that it names, once its options and the command that it
    gives to one of them are known to be right. Raises ValueError.
    """
    rest = list(words[2 : words.index(">") if ">" in words else None])
    command, *rest = rest
    if command not in _FLAGS:
        raise ValueError(f"docker compose {command} is not known here")
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in _WITH_VALUE.get(command, ()):
            rest.pop(0)
        elif option not in _FLAGS[command]:
            raise ValueError(f"docker compose {command} is not known to have {option}")
    if command == "exec" and rest[1] == "noongil":
        require_understood(rest[2:])
    elif command == "run" and rest[1:]:
        require_understood(rest[1:])
    return rest[:1] if command in {"exec", "run"} else rest


def require_understood(words: Sequence[str]) -> None:
    """`noongil` with these arguments, short of doing it. Raises ValueError."""
    command, rest = typer.main.get_command(cli), list(words)
    context = typer.Context(command, info_name="noongil")
    try:
        while isinstance(command, TyperGroup):
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None, "it says itself what it does not know"
            command = found
            context = typer.Context(command, parent=context)
        command.parse_args(context, rest)
    except TyperException as error:
        raise ValueError(f"noongil {' '.join(words)}: {error}") from error
