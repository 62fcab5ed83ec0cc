"""`noongil db`."""

import typer

from app.config import Settings
from app.console import console
from indexer.catalog import db

database_cli = typer.Typer(help="The catalog's database.", no_args_is_help=True)


@database_cli.command("upgrade")
def upgrade() -> None:
    """Create the database, or bring it to this program's revision."""
    db.upgrade(Settings().database_url)
    console.print("the database is up to date")
