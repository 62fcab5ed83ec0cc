"""What the command line shows: progress, summaries, tables."""

import json
import signal
import sys
import time
from collections import Counter
from types import FrameType, TracebackType
from typing import NoReturn, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from indexer.errors import RejectReason
from indexer.indexing_run import IndexSummary

console = Console(stderr=True)
"""Everything but results goes to standard error, so that results can be piped."""

_LOG_SECONDS = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class TerminalProgress:
    """A bar with rate, time left and what was left out; without a terminal, a line now and then.

    While it is shown SIGTERM, which would end the process where it stands, is raised as Ctrl-C is.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rejects]}", style="yellow"),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._stage = ""
        self._done = 0
        self._total: int | None = None
        self._rejects: Counter[RejectReason] = Counter()
        self._said = time.monotonic()
        self._done_when_said = 0

    def __enter__(self) -> Self:
        self._on_terminate = signal.signal(signal.SIGTERM, _exit_on)
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()
        self._bars.stop()
        signal.signal(signal.SIGTERM, self._on_terminate)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            console.print(
                "interrupted: what was finished is kept; run the same command again to finish",
                soft_wrap=True,
            )

    def start(self, stage: str, total: int | None) -> None:
        self._finish()
        self._task = self._bars.add_task(stage, total=total, rejects="")
        self._stage, self._done, self._total = stage, 0, total
        self._rejects.clear()
        self._said, self._done_when_said = time.monotonic(), 0

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if self._task is not None:
            self._bars.advance(self._task, steps)
        now = time.monotonic()
        if self._bars.disable and now - self._said > _LOG_SECONDS:
            self._say((self._done - self._done_when_said) / (now - self._said))
            self._said, self._done_when_said = now, self._done

    def reject(self, reason: RejectReason) -> None:
        self._rejects[reason] += 1
        if self._task is not None:
            self._bars.update(self._task, rejects=self._left_out())

    def _say(self, rate: float) -> None:
        """`rate`, of late: what an earlier run finished goes by a thousand times as fast."""
        parts = [f"{self._stage}: {self._done}", f"{rate:.1f}/s"]
        if self._total and rate:
            parts[0] += f" of {self._total}"
            parts.append(f"{max(0, self._total - self._done) / rate:.0f} s left")
        if self._rejects:
            parts.append(self._left_out())
        console.print(", ".join(parts), highlight=False, soft_wrap=True)

    def _left_out(self) -> str:
        counts = (f"{count} {reason}" for reason, count in self._rejects.most_common())
        return f"rejected: {', '.join(counts)}"

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=self._done or 1, completed=self._done or 1)


def _exit_on(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def print_summary(collection: str, summary: IndexSummary, seconds: float) -> None:
    images = summary.images
    console.print(
        f"[bold]{collection}[/bold]: {summary.total} images · {images.embedded} embedded, "
        f"{images.shared} with content already embedded, {images.unchanged} unchanged, "
        f"{images.removed} removed, {images.rejected.total()} rejected · {seconds:.1f} s",
        soft_wrap=True,
    )
    if images.is_incomplete:
        console.print("  part of the source could not be scanned: nothing was removed")
    for reason, count in sorted(summary.rejected.items()):
        keys = [reject.key for reject in images.rejects if reject.reason == reason]
        named = ", ".join(map(_printable, keys[:3])) + (", …" if count > 3 else "")
        console.print(
            f"  rejected {count} {reason}: {named}", markup=False, highlight=False, soft_wrap=True
        )
    if summary.published:
        console.print(f"  published version {summary.version} ({summary.factory})")
    elif summary.version:
        console.print(f"  nothing changed: version {summary.version} goes on serving")
    else:
        console.print("  no image could be indexed: there is nothing to search")


def summary_as_dict(summary: IndexSummary) -> dict[str, object]:
    images = summary.images
    return {
        "total": summary.total,
        "embedded": images.embedded,
        "shared": images.shared,
        "unchanged": images.unchanged,
        "removed": images.removed,
        "rejected": dict(summary.rejected),
        "rejects": [
            {"id": reject.key, "reason": reject.reason.value, "detail": reject.detail}
            for reject in images.rejects
        ],
        "version": summary.version,
        "published": summary.published,
        "index": summary.factory,
    }


def print_json(value: object) -> None:
    """To standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """To standard output."""
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(escape(_printable(cell)) for cell in row))
    Console().print(table)


def _printable(text: str) -> str:
    """A file's name may hold what moves the cursor, or worse."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
