"""Nothing that was acknowledged is lost, however the processes are killed.

python -m bench.crashes [--writes 2000] [--kills 50] [--database sqlite postgresql]

Method: two servers and a worker of jobs are real processes over one catalog; four clients write
through both over HTTP: puts, patches, deletes, batches. At random moments some of the processes are
killed (SIGKILL) and started again, mostly while a reindex that was asked for runs: of the model
that is there, of another one, or a rollback. A client whose write is not answered asks again. An
oracle knows what every answer promised.

After each restart, while nobody writes, and at the end of all images: each record is what was
promised, through both servers the same; a search for all finds each image once, with the cosine
and the attributes that it should have; each is found by its own picture. A write that was not
answered is wholly there or wholly not. Besides, searches go on all the time, and whatever has been
so for some seconds must be in every answer. At last everything is built anew, looked at again, and
verified on disk.

Pictures are 8 × 8 random pixels, the encoder the tests' tiny one, in two editions whose vectors
have nothing to do with each other. What is written follows from the seed, and so do the moments,
counted in writes.
"""

import argparse
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pgserver
from rich.console import Console
from rich.table import Table

from bench.crashes.run import Plan, Report, run

_SHOWN = 30
"""Kinds of violations, of each database: one fault is seen by many searches."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--writes", type=int, default=Plan.writes)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--visible-within", type=float, default=Plan.visible_within)
    parser.add_argument("--minutes", type=float, default=Plan.minutes, help="of each database")
    kinds = ("sqlite", "postgresql")
    parser.add_argument("--database", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--keep", type=Path, help="folder for logs and data of runs that fail")
    given = vars(parser.parse_args())
    databases, keep = given.pop("database"), given.pop("keep")
    plan = Plan(**given)
    reports = {kind: _run_on(kind, plan, keep) for kind in databases}
    _print(reports, plan)
    if any(report.tally.violations for report in reports.values()):
        raise SystemExit(1)


def _run_on(kind: str, plan: Plan, keep: Path | None) -> Report:
    with tempfile.TemporaryDirectory(prefix="noongil-crashes-") as name:
        folder = Path(name) / kind
        folder.mkdir()
        report = None
        try:
            with database(kind, folder) as url:
                report = run(url, folder, plan)
                return report
        finally:
            if keep and (report is None or report.tally.violations):
                shutil.copytree(folder, keep / kind, dirs_exist_ok=True)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'noongil.db'}"
        return
    with tempfile.TemporaryDirectory(prefix="noongil-postgres-") as name:
        server = pgserver.get_server(name)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _print(reports: dict[str, Report], plan: Plan) -> None:
    table = Table(title=f"{plan.writes} writes, {plan.kills} kills, seed {plan.seed}")
    table.add_column("")
    for kind in reports:
        table.add_column(kind, justify="right")
    names = sorted({name for report in reports.values() for name in report.tally.counts})
    for name in names:
        table.add_row(name, *(str(report.tally.counts[name]) for report in reports.values()))
    table.add_row("seen by the other server, s", *map(_seen, reports.values()))
    table.add_row("seconds", *(f"{report.seconds:.0f}" for report in reports.values()))
    table.add_row("violations", *(str(len(r.tally.violations)) for r in reports.values()))
    console = Console(width=100)
    console.print(table)
    for kind, report in reports.items():
        for fault, count in _kinds(report.tally.violations):
            line = f"{kind}, {count} like this: {fault}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _kinds(violations: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The first of those that differ in numbers alone, and how many they are."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for violation in violations:
        kind = re.sub(r"[\d.]+", "", violation)
        first.setdefault(kind, violation)
        counts[kind] += 1
    return ((first[kind], count) for kind, count in counts.most_common(_SHOWN))


def _seen(report: Report) -> str:
    seconds = report.tally.seen_after
    if not seconds:
        return "–"
    p50, p99 = np.percentile(seconds, (50, 99))
    return f"p50 {p50:.2f}, p99 {p99:.2f}, longest {max(seconds):.2f}"


if __name__ == "__main__":
    main()
