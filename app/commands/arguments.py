"""Arguments that several commands take."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
CollectionArgument = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="Name of the collection.")
]
CollectionOption = Annotated[str, typer.Option("--collection", help="Name of the collection.")]
