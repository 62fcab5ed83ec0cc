"""The operators' guide: its commands are there, its figures are those that are worked out."""

import re
import shlex
from collections.abc import Iterator, Sequence

import pytest
import yaml
from markdown_it import MarkdownIt

from app.config import Settings
from bench.sizing import table
from tests.deployment import commands
from tests.deployment.prometheus import ROOT

PAGE = ROOT / "docs" / "operations.md"
GUIDE = PAGE.read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]


def shown() -> Iterator[Sequence[str]]:
    """Commands of the blocks, and those that stand in a sentence."""
    for words in commands.lines(PAGE):
        yield [word for word in words if word != "-T"]
    for token in MarkdownIt().parse(GUIDE):
        for part in token.children or []:
            command = part.content.replace("\n", " ")
            if part.type == "code_inline" and command.startswith(("noongil ", "docker compose ")):
                yield shlex.split(command)


def of_program() -> Iterator[Sequence[str]]:
    for words in shown():
        match [*words[: words.index(">")]] if ">" in words else [*words]:
            case ["noongil", *rest] | ["docker", "compose", "exec", _, "noongil", *rest]:
                yield rest
            case ["docker", "compose", "run", "--rm", _, *rest]:
                yield rest


def of_compose() -> Iterator[Sequence[str]]:
    return (words[2:] for words in shown() if [*words[:2]] == ["docker", "compose"])


@pytest.mark.parametrize("words", [*of_program()], ids=" ".join)
def test_a_command_is_one_of_the_program(words: Sequence[str]) -> None:
    commands.require_understood(words)


@pytest.mark.parametrize("words", [*of_compose()], ids=" ".join)
def test_a_container_is_one_of_compose(words: Sequence[str]) -> None:
    match [*words]:
        case ["exec", service, *_] | ["run", "--rm", service, *_]:
            assert service in SERVICES
        case ["ps" | "restart", *services]:
            assert {*services} <= SERVICES.keys()
        case ["up", "--detach", "--wait"]:
            pass
        case _:
            pytest.fail("not looked at")


def test_a_variable_is_a_setting_or_one_of_compose() -> None:
    of_program = {f"NOONGIL_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"NOONGIL_[A-Z_0-9]+", GUIDE)) <= of_program | {
        *re.findall(r"NOONGIL_[A-Z_0-9]+", COMPOSE)
    }


@pytest.mark.parametrize("link", sorted({*re.findall(r"\]\(([^)]+)\)", GUIDE)}))
def test_a_link_leads_somewhere(link: str) -> None:
    page, _, anchor = link.partition("#")
    text = (PAGE.parent / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert not anchor or anchor in anchors


def test_the_sizes_are_those_that_are_worked_out() -> None:
    assert table() in GUIDE
