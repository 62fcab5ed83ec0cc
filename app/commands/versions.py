"""`noongil versions list|activate`."""

import typer

from app.catalog import open_catalog
from app.commands.arguments import AsJson
from app.config import Settings
from app.console import TerminalProgress, console, print_json, print_table
from app.embedders import encoder_options
from app.indexing import open_indexing
from app.versions import service
from models.registry import shared_encoder

versions_cli = typer.Typer(help="Index versions of a collection.", no_args_is_help=True)


@versions_cli.command("list")
def list_versions(name: str, *, as_json: AsJson = False) -> None:
    """The versions of collection NAME, newest first."""
    views = service.list_all(open_catalog(Settings()), name)
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
