"""The images: that they can be built from a checkout, and hold a program that runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment import build_context, dockerfile
from tests.deployment.dockerfile import Instruction
from tests.deployment.replay import DOCKERFILE, ROOT, Replay

TARGETS = ("cpu", "gpu")
STAGES = dockerfile.parse(DOCKERFILE)


def test_an_image_holds_a_program_that_runs(tmp_path: Path) -> None:
    images, data = tmp_path / "images", tmp_path / "data"
    images.mkdir()
    replay = Replay(images, is_offline=True)
    image = replay.build("cpu")
    assert "Usage: noongil" in image.run(*replay.entry("cpu"))
    where = image.run("python", "-c", "import app; print(app.__file__)")
    assert where.startswith(str(image.root)), "the code is the image's own"
    assert image.path("docker/ready.py").is_file(), "it is where the health check looks for it"
    assert [line.split()[0] for line in image.skipped] == ["groupadd"], "all else was run"
    image.run("noongil", "db", "upgrade", NOONGIL_DATA_DIR=str(data))
    assert (data / "noongil.db").exists(), "the migrations are there"


def test_the_image_for_gpus_is_made_as_the_one_for_cpus() -> None:
    """Which was tried: they differ in an extra, and in what the driver is asked for."""
    for name in ("dependencies-{}", "{}"):
        cpu, gpu = (STAGES[name.format(target)].instructions for target in TARGETS)
        others = [each for each in gpu if each.keyword != "ENV"]
        assert [for_gpus(each) for each in cpu] == others


def for_gpus(instruction: Instruction) -> Instruction:
    flags = {name: value.replace("-cpu", "-gpu") for name, value in instruction.flags.items()}
    text = instruction.text.replace("[cpu]", "[gpu]")
    return Instruction(instruction.keyword, flags, text)


def test_the_extras_that_are_installed_are_there() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    asked = re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE.read_text())
    assert sorted(asked) == ["cpu", "gpu", "scale,traces"]
    for extra in ",".join(asked).split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_the_linter_of_dockerfiles_is_content() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_of_one_version_and_runs_as_nobody_in_particular(target: str) -> None:
    first, *_, last = dockerfile.lineage(STAGES, target)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", first.base)
    user = last.last("USER")
    assert user is not None
    assert user.text == "10001:10001"


def test_a_change_of_the_code_installs_no_dependency_again() -> None:
    """Of the stages with what an image depends on none holds code."""
    for target in TARGETS:
        for stage in dockerfile.lineage(STAGES, f"dependencies-{target}"):
            copied = [each.text for each in stage.instructions if each.keyword == "COPY"]
            assert not re.search(r"\b(app|indexer|models|migrations)\b", " ".join(copied))


def test_where_packages_come_from_is_the_builders_own_affair() -> None:
    argument = next(each for each in STAGES["dependencies"].instructions if each.keyword == "ARG")
    assert dockerfile.assignments(argument) == {"TORCH_INDEX_URL": ""}
    assert "://" not in DOCKERFILE.read_text()


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("app/cli.py", True),
        ("app/web/static/page.js", True),
        ("docker/ready.py", True),
        ("pyproject.toml", True),
        ("app/__pycache__/cli.pyc", False),
        (".env", False),
        ("secrets/database_password", False),
        ("data/noongil.db", False),
        ("docker/nginx/nginx.conf", False),
        (".git/config", False),
        (".venv/bin/python", False),
    ],
)
def test_what_is_secret_or_large_never_reaches_a_builder(path: str, sent: bool) -> None:
    assert build_context.is_sent(path, build_context.read_rules(ROOT / ".dockerignore")) == sent
