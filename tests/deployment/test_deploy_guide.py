"""docs/deploy.md: its commands are such as Compose, the services and the command line know."""

import re

import pytest

from tests.deployment import commands
from tests.deployment.test_compose import ROOT, SERVICES, example

GUIDE = ROOT / "docs" / "deploy.md"
PROFILES = sorted({profile for each in SERVICES.values() for profile in each.get("profiles", [])})


def test_every_command_of_compose_can_be_given() -> None:
    given = [words for words in commands.lines(GUIDE) if words[:2] == ["docker", "compose"]]
    assert len(given) > 10
    for words in given:
        assert set(commands.compose_services(words)) <= SERVICES.keys(), words


def test_profiles_stand_in_dotenv() -> None:
    """Given `--profile`, Compose does not look at COMPOSE_PROFILES: what runs would be left out."""
    with pytest.raises(ValueError, match="--profile"):
        commands.compose_services(["docker", "compose", "--profile", "scale", "up"])


def test_containers_can_read_each_secret_and_who_made_it_can_change_it() -> None:
    made: set[str] = set()
    modes: dict[str, str] = {}
    for words in commands.lines(GUIDE):
        if ">" in words:
            made.add(words[-1])
        elif words[0] == "chmod":
            modes |= dict.fromkeys(words[2:], words[1])
    named = {value.removeprefix("./") for _, value in example() if value.startswith("./secrets/")}
    tls = {file for file in named if "tls_" in file}
    assert made | tls == named
    assert modes == dict.fromkeys(named, "0644")


@pytest.mark.parametrize(
    "line", ["keys create --scope admin", "keys make", "index --fast /pictures"]
)
def test_a_command_that_noongil_does_not_know_would_be_noticed(line: str) -> None:
    with pytest.raises(ValueError, match="noongil"):
        commands.require_understood(line.split())


def test_every_variable_is_in_the_example_for_operators() -> None:
    known = {name for name, _ in example()} | {"OLD"}
    assert set(commands.assignments(GUIDE)) <= known
    text = GUIDE.read_text()
    settings = (ROOT / "docs" / "settings.md").read_text()
    for name in set(re.findall(r"NOONGIL_[A-Z_0-9]+", text)) - known:
        assert f"`{name}`" in settings, name


def test_every_service_and_profile_is_explained() -> None:
    table = "".join(re.findall(r"^\|.*\|$", GUIDE.read_text(), re.MULTILINE))
    assert {f"`{name}`" for name in [*SERVICES, *PROFILES]} <= set(re.findall("`[^`]+`", table))


def test_every_page_that_is_named_is_there() -> None:
    for page in re.findall(r"\]\(([\w/.-]+\.md)\)", GUIDE.read_text()):
        assert (GUIDE.parent / page).is_file(), page
