"""docs/api.md as a reader runs it: its calls in their order, and the answers that it shows."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"

REST = "…"
"""In an answer: there is more, or something else."""

_CALL = re.compile(r"^\s*curl\b", re.MULTILINE)
_STATUS = re.compile(r"#\s(\d{3})\b")

_RECORDED = """
curl() {
    number=$(wc -l < "$OUT/statuses")
    command curl --silent --show-error --output "$OUT/$number" --write-out '%{http_code}\\n' "$@" \\
        >> "$OUT/statuses"
    [ -s "$OUT/$number" ] && cat "$OUT/$number" >> "$OUT/answers" && echo >> "$OUT/answers"
    true
}
"""


class Example(NamedTuple):
    line: int
    language: str
    code: str
    shown: list[Any]
    """The answers below it, of as many calls from the first on; possibly none."""

    @property
    def statuses(self) -> list[int]:
        """As the comments beside the calls say."""
        calls = _CALL.split(self.code)[1:]
        said = [_STATUS.search(call) for call in calls]
        return [int(found[1]) if found else 200 for found in said]


def examples(text: str) -> list[Example]:
    found: list[Example] = []
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.info in {"bash", "python"}:
            found.append(Example((token.map or [0])[0] + 1, token.info, token.content, []))
        elif token.type == "fence" and token.info == "json":
            found[-1].shown.extend(values(_whole(token.content)))
    return found


def run_shell(code: str, folder: Path) -> tuple[list[int], list[Any]]:
    """The statuses and the answers of its calls."""
    (folder / "statuses").write_text("")
    (folder / "answers").write_text("")
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"OUT='{folder}'{_RECORDED}{code}"],
        cwd=folder,
        check=True,
        timeout=60,
    )
    statuses = [int(line) for line in (folder / "statuses").read_text().split()]
    return statuses, [*values((folder / "answers").read_text())]


def values(text: str) -> Iterator[Any]:
    """JSON values, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while (at := at + len(text[at:]) - len(text[at:].lstrip())) < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value


def difference(shown: Any, actual: Any, place: str = "") -> str | None:
    """Where an answer is of another form than the one shown; None: nowhere."""
    if shown == REST:
        return None
    if isinstance(shown, dict) and isinstance(actual, dict):
        missing = shown.keys() - actual.keys() - {REST}
        unsaid = set() if REST in shown else actual.keys() - shown.keys()
        if missing or unsaid:
            return f"{place}: shown alone {missing}, answered alone {unsaid}"
        pairs = [(name, shown[name], actual[name]) for name in shown.keys() - {REST}]
    elif isinstance(shown, list) and isinstance(actual, list):
        items = [item for item in shown if item != REST]
        if len(items) > len(actual) or (REST not in shown and len(items) < len(actual)):
            return f"{place}: {len(items)} shown, {len(actual)} answered"
        pairs = [(str(n), *both) for n, both in enumerate(zip(items, actual, strict=False))]
    else:
        alike = _kind(shown) == _kind(actual)
        return None if alike else f"{place}: {shown!r} shown, {actual!r} answered"
    found = (difference(one, other, f"{place}.{name}") for name, one, other in pairs)
    return next((each for each in found if each), None)


def _kind(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def _whole(shown: str) -> str:
    """What stands for more, as JSON."""
    shown = re.sub(rf"\{{{REST}\}}", f'{{"{REST}": "{REST}"}}', shown)
    shown = re.sub(rf",\s*{REST}\}}", f', "{REST}": "{REST}"}}', shown)
    return re.sub(rf",\s*{REST}\]", f', "{REST}"]', shown)
