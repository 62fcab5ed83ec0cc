"""`noongil collections list|show|delete`."""

from typing import Annotated

import typer

from app.catalog import open_catalog
from app.collections import service
from app.commands.arguments import AsJson
from app.config import Settings
from app.console import print_json, print_table

collections_cli = typer.Typer(help="Collections of images.", no_args_is_help=True)


@collections_cli.command("list")
def list_collections(*, as_json: AsJson = False) -> None:
    """All collections."""
    views = service.list_all(open_catalog(Settings()))
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
    view = service.show(open_catalog(Settings()), name).model_dump(mode="json")
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
    images = service.show(database, name).images
    if not yes:
        typer.confirm(f"Delete {name} with {images} images?", abort=True)
    service.delete(
        database, settings.data_dir, name, settings.lease_seconds, settings.milvus_options()
    )
