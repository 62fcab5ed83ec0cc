"""What a builder of images is sent: the checkout, as .dockerignore leaves it."""

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Rule:
    """One of `.dockerignore`: the last that matches a path, or a folder that it is in, decides."""

    pattern: str
    keeps: bool

    @classmethod
    def parse(cls, line: str) -> Self:
        return cls(line.removeprefix("!").strip("/"), line.startswith("!"))

    def matches(self, path: str) -> bool:
        parts = path.split("/")
        if self.pattern.startswith("**/"):
            name = self.pattern.removeprefix("**/")
            return any(fnmatch.fnmatchcase(part, name) for part in parts)
        depth = self.pattern.count("/") + 1
        return fnmatch.fnmatchcase("/".join(parts[:depth]), self.pattern)


def files(root: Path, *below: str) -> Iterator[Path]:
    """Those that are sent of the files and folders `below`, relative to `root`."""
    rules = read_rules(root / ".dockerignore")
    for name in below:
        found = (root / name).rglob("*") if (root / name).is_dir() else [root / name]
        for path in found:
            relative = path.relative_to(root)
            if path.is_file() and is_sent(relative.as_posix(), rules):
                yield relative


def read_rules(file: Path) -> Sequence[Rule]:
    lines = [line.strip() for line in file.read_text().splitlines()]
    return [Rule.parse(line) for line in lines if line and not line.startswith("#")]


def is_sent(path: str, rules: Sequence[Rule]) -> bool:
    decided = [rule.keeps for rule in rules if rule.matches(path)]
    return not decided or decided[-1]
