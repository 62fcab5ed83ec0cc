"""A Dockerfile, as far as this project uses the language."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Instruction:
    keyword: str
    flags: Mapping[str, str]
    text: str

    def words(self) -> list[str]:
        """Of either form: `["a", "b"]` or `a b`."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)


@dataclass
class Stage:
    """`base` is an image, or the name of a stage before this one."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, keyword: str) -> Instruction | None:
        return next((each for each in reversed(self.instructions) if each.keyword == keyword), None)


def parse(file: Path) -> Mapping[str, Stage]:
    """Stages by name, in their order. Raises ValueError for what comes before the first."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for line in _logical_lines(file.read_text()):
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            base, _, name = _with_variables(rest, arguments).partition(" AS ")
            stages[name] = stage = Stage(name, base)
        elif stages:
            stage.instructions.append(_instruction(keyword, rest))
        elif keyword == "ARG":
            arguments.update([_pair(rest)])
        else:
            raise ValueError(f"{keyword} stands before the first FROM")
    return stages


def lineage(stages: Mapping[str, Stage], name: str) -> Sequence[Stage]:
    """The stage and those that it is made from, first the one on an image."""
    stage = stages[name]
    return [*(lineage(stages, stage.base) if stage.base in stages else ()), stage]


def assignments(instruction: Instruction) -> Mapping[str, str]:
    """Of an ENV or ARG."""
    return dict(_pair(word) for word in instruction.words())


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _logical_lines(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"[ ]*\\\n\s*", " ", "\n".join(lines))
    return [line.strip() for line in whole.splitlines() if line.strip()]


def _instruction(keyword: str, rest: str) -> Instruction:
    flags = {}
    while found := re.match(r"--(\w+)=(\S+) ", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return Instruction(keyword, flags, rest)


def _with_variables(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)
