"""`noongil jobs`: the worker; and what an operator asks of jobs."""

from typing import Annotated

import typer

from app.catalog import open_catalog
from app.commands.arguments import AsJson
from app.config import Settings
from app.console import console, print_json, print_table
from app.jobs import service, worker
from app.jobs.schemas import JobState, JobView


def jobs(
    *,
    while_stdin: Annotated[
        bool, typer.Option("--while-stdin", hidden=True, help="End with standard input.")
    ] = False,
) -> None:
    """Do the jobs that servers ask for, one at a time, at a low priority."""
    raise typer.Exit(worker.run(Settings(), while_stdin=while_stdin))


def list_jobs(
    collection: Annotated[str | None, typer.Option(help="Of this collection alone.")] = None,
    state: Annotated[JobState | None, typer.Option(help="In this state alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Jobs, newest first."""
    views = service.list_newest(open_catalog(Settings()), collection, state, limit)
    if as_json:
        print_json([view.model_dump(mode="json") for view in views])
    else:
        print_table(
            ["id", "collection", "kind", "state", "stage", "done", "error"],
            [
                [v.id, v.collection, v.kind, v.state, v.stage or "", _done(v), v.error or ""]
                for v in views
            ],
        )


def cancel_job(job_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Cancel a job; one that runs stops at its next step."""
    view = service.cancel(open_catalog(Settings()), job_id)
    console.print(f"job {view.id} of {view.collection} is {view.state}")


def _done(view: JobView) -> str:
    return str(view.done) if view.total is None else f"{view.done} of {view.total}"
