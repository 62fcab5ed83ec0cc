"""The Python part of building an image, without an engine: `python -m tests.deployment.replay cpu`.

Each stage of the Dockerfile is a folder in place of a file system. COPY copies into it, honouring
.dockerignore; of the RUN lines those are run that begin with `python` or `pip`, with the paths of
the container mapped into the folder; the others are for a real engine, and are named in the end.
"""

import argparse
import os
import re
import shutil
import site
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deployment import build_context, dockerfile
from tests.deployment.dockerfile import Instruction, Stage

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
_INSIDE = re.compile(r"(?<![\w/.}])/(?=(?:build|data|models|opt|srv|wheels)\b)")
_PIP = re.compile(r"\bpip(?: --python \S+)? (?:install|wheel)\b")
_MINUTES = 30 * 60


@dataclass
class Image:
    """What a stage has become: its files, its environment, where it works."""

    root: Path
    environment: dict[str, str]
    folder: str = "/"
    skipped: list[str] = field(default_factory=list)
    """RUN lines that are not Python's."""

    def path(self, inside: str) -> Path:
        return self.root / (Path(self.folder) / inside).relative_to("/")

    def mapped(self, text: str) -> str:
        return _INSIDE.sub(f"{self.root}/", text)

    def run(self, *command: str, **settings: str) -> str:
        """Its standard output. Raises CalledProcessError, with what was said on both."""
        self.path("").mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            command,
            cwd=self.path(""),
            env=self.environment | settings,
            check=True,
            timeout=_MINUTES,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )
        return done.stdout


class Replay:
    """`is_offline`: dependencies are those of the running environment, and nothing is fetched."""

    def __init__(self, folder: Path, *, is_offline: bool) -> None:
        self._folder = folder
        self._is_offline = is_offline
        self._stages = dockerfile.parse(DOCKERFILE)
        self._images: dict[str, Image] = {}

    def build(self, name: str) -> Image:
        if name not in self._images:
            stage = self._stages[name]
            image = self._begin(stage)
            for instruction in stage.instructions:
                self._follow(image, instruction)
            self._images[name] = image
        return self._images[name]

    def entry(self, name: str) -> list[str]:
        """What a container of this image runs, as it is told nothing else."""
        words: dict[str, list[str]] = {}
        for stage in dockerfile.lineage(self._stages, name):
            for keyword in ("ENTRYPOINT", "CMD"):
                if instruction := stage.last(keyword):
                    words[keyword] = instruction.words()
        return [*words["ENTRYPOINT"], *words["CMD"]]

    def _begin(self, stage: Stage) -> Image:
        root = self._folder / stage.name
        if stage.base not in self._stages:
            root.mkdir()
            return Image(root, _base_environment(self._folder))
        base = self.build(stage.base)
        _link(base.root, root)
        environment = {name: _moved(text, base, root) for name, text in base.environment.items()}
        image = Image(root, environment, base.folder, [*base.skipped])
        _move_scripts(image, base)
        return image

    def _follow(self, image: Image, instruction: Instruction) -> None:
        match instruction.keyword:
            case "WORKDIR":
                image.folder = instruction.text
            case "ENV" | "ARG":
                for name, value in dockerfile.assignments(instruction).items():
                    path = image.environment["PATH"]
                    image.environment[name] = image.mapped(value).replace("$PATH", path)
            case "COPY" if "from" in instruction.flags:
                self._copy_from(image, instruction.flags["from"], *instruction.words())
            case "COPY":
                *sources, target = instruction.words()
                _copy_context(image, sources, target)
            case "RUN":
                self._run(image, instruction)

    def _copy_from(self, image: Image, stage: str, source: str, target: str) -> None:
        base = self.build(stage)
        image.path(target).parent.mkdir(parents=True, exist_ok=True)
        _link(base.path(source), image.path(target))
        _move_scripts(image, base)

    def _run(self, image: Image, instruction: Instruction) -> None:
        if not instruction.text.startswith(("python ", "pip ")):
            image.skipped.append(instruction.text)
            return
        mount = dict(re.findall(r"(\w+)=([^,]+)", instruction.flags.get("mount", "")))
        if "from" in mount:
            self._copy_from(image, mount["from"], mount["source"], mount["target"])
        command = image.mapped(instruction.text)
        if self._is_offline:
            command = _PIP.sub(r"\g<0> --no-index --no-deps --no-build-isolation", command)
        image.run("bash", "-euc", command)
        if self._is_offline:
            _lend_packages(image)


def _base_environment(folder: Path) -> dict[str, str]:
    """An image of Python has `python` and `pip`, and knows nothing of the running environment."""
    programs = folder / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name, module in (("python", ""), ("pip", "-m pip ")):
            script = programs / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
            script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOONGIL_")}
    return kept | {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONNOUSERSITE": "1"}


def _lend_packages(image: Image) -> None:
    for packages in image.path("/opt/noongil").glob("lib/python*/site-packages"):
        (packages / "lent.pth").write_text("\n".join(site.getsitepackages()))


def _link(source: Path, target: Path) -> None:
    """A copy that takes no room: nothing that is installed is changed in its place."""
    subprocess.run(["cp", "--archive", "--link", source, target], check=True)


def _copy_context(image: Image, sources: list[str], target: str) -> None:
    """Raises FileNotFoundError for what a builder is not sent."""
    for source in sources:
        sent = list(build_context.files(ROOT, source))
        if not sent:
            raise FileNotFoundError(f"COPY {source}: .dockerignore sends nothing of it")
        for file in sent:
            into = (
                Path(target) / file if target == "./" else Path(target) / file.relative_to(source)
            )
            image.path(str(into)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, image.path(str(into)))


def _moved(text: str, base: Image, root: Path) -> str:
    return text.replace(f"{base.root}/", f"{root}/")


def _move_scripts(image: Image, base: Image) -> None:
    """In a container both are at one place: scripts name their interpreter by it."""
    for script in image.path("/opt/noongil/bin").glob("*"):
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            script.unlink()
            script.write_bytes(text.replace(f"{base.root}/".encode(), f"{image.root}/".encode()))
            script.chmod(0o755)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("target", choices=["cpu", "gpu"])
    target = parser.parse_args().target
    with TemporaryDirectory(prefix="noongil-replay-") as folder:
        began = time.monotonic()
        replay = Replay(Path(folder), is_offline=False)
        image = replay.build(target)
        image.run(*replay.entry(target))
        size = subprocess.run(["du", "-sm", image.root], check=True, capture_output=True, text=True)
        print(f"{target}: {time.monotonic() - began:.0f} s, {size.stdout.split()[0]} MB")  # noqa: T201
        for line in image.skipped:
            print(f"not run: {line}")  # noqa: T201


if __name__ == "__main__":
    main()
