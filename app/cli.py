"""The command line: each command a thin shell over what the packages do."""

import logging
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app import encoder, server
from app.arguments import AsJson
from app.collections import service as collections_service
from app.config import Settings
from app.console import TerminalProgress, console, print_json, print_table
from app.embedders import encoder_options
from app.failures import one_line_failures
from app.index_command import SEE_ALSO, index, index_into
from app.indexing import open_indexing
from app.inspection_commands import recall, stats, verify
from app.jobs.child import WorkerProcess
from app.jobs_command import SEE_ALSO as SEE_ALSO_OF_JOBS
from app.jobs_command import cancel_job, jobs, list_jobs
from app.keys_command import keys_cli
from app.models_command import card_as_dict, print_cards
from app.search_command import search
from app.state import open_catalog
from app.versions import service as versions_service
from indexer.catalog import db
from indexer.errors import SourceError
from indexer.evaluate import evaluate as evaluate_folder
from indexer.sources import source_of
from models.model_cards import all_cards
from models.registry import shared_encoder
from models.worker.server import Address


class _Commands(TyperGroup):
    """A command may be named in two words beside one of the first alone: `index stats` and
    `index`, whose argument may be anything else.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if (name := " ".join(args[:2])) in self.commands:
            args = [name, *args[2:]]
        return super().resolve_command(ctx, args)


cli = typer.Typer(
    cls=_Commands,
    help="Noongil (눈길): semantic image search in Korean and English.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
database_cli = typer.Typer(help="The catalog's database.", no_args_is_help=True)
collections_cli = typer.Typer(help="Collections of images.", no_args_is_help=True)
versions_cli = typer.Typer(help="Index versions of a collection.", no_args_is_help=True)
cli.add_typer(database_cli, name="db")
cli.add_typer(collections_cli, name="collections")
cli.add_typer(versions_cli, name="versions")
cli.add_typer(keys_cli, name="keys")
cli.command("index", epilog=SEE_ALSO)(index)
cli.command("index stats")(stats)
cli.command("index verify")(verify)
cli.command("index recall")(recall)
cli.command("search")(search)
cli.command("jobs", epilog=SEE_ALSO_OF_JOBS)(jobs)
cli.command("jobs list")(list_jobs)
cli.command("jobs cancel")(cancel_job)

DEMO = "demo"


def main() -> None:
    with one_line_failures():
        cli()


@cli.callback()
def _configure() -> None:
    level = Settings().log_level.upper()
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


@cli.command()
def demo(
    photos: Annotated[Path | None, typer.Argument(help="Folder of pictures.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on.")] = None,
) -> None:
    """Index a folder (default: scikit-image's sample photos) and serve it, with a page."""
    settings = Settings()
    if port is not None:
        settings.port = port
    server.require_free(settings.host, settings.port)
    db.upgrade(settings.database_url)
    source = source_of(str(photos or _sample_photos()), options=settings.source_options())
    index_into(settings, DEMO, source, settings.model, settings.recall, sole_source=True)
    with WorkerProcess():
        server.run(settings)


@database_cli.command("upgrade")
def upgrade() -> None:
    """Create the database, or bring it to this program's revision."""
    db.upgrade(Settings().database_url)
    console.print("the database is up to date")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the API and the page."""
    settings = Settings()
    if host is not None:
        settings.host = host
    if port is not None:
        settings.port = port
    server.run(settings, workers)


@cli.command("encoder")
def encoder_worker(
    model: Annotated[str | None, typer.Option(help="Model; default: the setting's.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8001,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on instead.")] = None,
) -> None:
    """Serve an encoder to many servers: one process a device."""
    settings = Settings()
    encoder.run(settings, model or settings.model, Address(host, port, uds))


@cli.command("eval")
def evaluate(
    data: Annotated[Path, typer.Option(help="Labelled folder: pictures and *.queries.tsv.")],
    model: Annotated[list[str] | None, typer.Option(help="Model; may be repeated.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Retrieval quality of one or more models on a labelled folder."""
    settings = Settings()
    options = encoder_options(settings)
    results = {
        spec: evaluate_folder(shared_encoder(spec, options), data)
        for spec in model or [settings.model]
    }
    if as_json:
        print_json({spec: [asdict(result) for result in sets] for spec, sets in results.items()})
        return
    print_table(
        ["model", "set", "language", "queries", "pictures", "mAP", "R-precision", "hit@5"],
        [
            [spec, result.name, language, str(result.queries), str(result.pictures)]
            + [f"{value:.3f}" for value in astuple(quality)]
            for spec, sets in results.items()
            for result in sets
            for language, quality in result.quality.items()
        ],
    )


@cli.command("models")
def list_models(*, as_json: AsJson = False) -> None:
    """Models to choose from: size, licence, and published figures in Korean and English."""
    if as_json:
        print_json([card_as_dict(card) for card in all_cards()])
    else:
        print_cards(all_cards())


@collections_cli.command("list")
def list_collections(*, as_json: AsJson = False) -> None:
    """All collections."""
    views = collections_service.list_all(open_catalog(Settings()))
    if as_json:
        print_json([view.model_dump(mode="json") for view in views])
    else:
        print_table(
            ["name", "images", "model", "regions", "active version"],
            [[v.name, str(v.images), v.model, v.regions, v.active_version or "–"] for v in views],
        )


@collections_cli.command("show")
def show_collection(name: str, *, as_json: AsJson = False) -> None:
    """One collection."""
    view = collections_service.show(open_catalog(Settings()), name).model_dump(mode="json")
    if as_json:
        print_json(view)
    else:
        print_table(["", ""], [[key, str(value)] for key, value in view.items()])


@collections_cli.command("delete")
def delete_collection(
    name: str,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a collection: its rows, embeddings and indexes; never the pictures."""
    settings = Settings()
    database = open_catalog(settings)
    images = collections_service.show(database, name).images
    if not yes:
        typer.confirm(f"Delete {name} with {images} images?", abort=True)
    collections_service.delete(database, settings.data_dir, name, settings.lease_seconds)


@versions_cli.command("list")
def list_versions(name: str, *, as_json: AsJson = False) -> None:
    """The versions of collection NAME, newest first."""
    views = versions_service.list_all(open_catalog(Settings()), name)
    if as_json:
        print_json([view.model_dump(mode="json") for view in views])
    else:
        print_table(
            ["version", "active", "images", "index", "model", "regions"],
            [
                [v.name, "●" if v.active else "", str(v.images), v.index, v.model, v.regions]
                for v in views
            ],
        )


@versions_cli.command("activate")
def activate(name: str, version: str) -> None:
    """Serve VERSION of collection NAME: a rollback, or the way back."""
    settings = Settings()
    options = encoder_options(settings)
    with TerminalProgress() as progress:
        open_indexing(settings, open_catalog(settings)).activate(
            name, version, lambda model: shared_encoder(model, options), progress
        )
    console.print(f"{name} serves {version}")


def _sample_photos() -> Path:
    try:
        import skimage.data  # noqa: PLC0415 - a demonstration's dependency, not the product's
    except ImportError as error:
        raise SourceError(
            "the sample photos come with scikit-image: name a folder of pictures, "
            "or install noongil[demo]"
        ) from error
    return Path(skimage.data.__file__).parent
