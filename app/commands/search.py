"""`noongil search`."""

import asyncio
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app.commands.arguments import AsJson, CollectionOption
from app.config import Settings
from app.console import print_json, print_table
from app.errors import reason_of
from app.search.response import SearchResponse
from app.search.schemas import MAX_HITS, SearchRequest
from app.search.service import search as run_search
from app.state import open_state
from indexer.sources.tables.jsonl_table import json_object


def search(
    text: Annotated[str, typer.Argument(help="Korean or English.")],
    collection: CollectionOption,
    k: Annotated[int, typer.Option("-k", min=1, max=MAX_HITS, help="How many.")] = 10,
    condition: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help='Conditions: {"price": {"lte": 50000}}.'),
    ] = None,
    facet: Annotated[
        list[str] | None, typer.Option(help="Field whose values are counted; may be repeated.")
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="Field to sort by; -price begins with the highest.")
    ] = None,
    min_relevance: Annotated[float, typer.Option(min=0, max=1, help="Show no less.")] = 0.0,
    *,
    as_json: AsJson = False,
) -> None:
    """Find images by text."""
    request = _request(
        text=text,
        k=k,
        filter=None if condition is None else _conditions(condition),
        facets=facet or [],
        sort=sort,
        min_relevance=min_relevance,
    )
    found = asyncio.run(_search(collection, request))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


def _conditions(text: str) -> dict[str, Any]:
    try:
        return json_object(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--filter") from None


def _request(**given: object) -> SearchRequest:
    try:
        return SearchRequest.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0]) if wrong["loc"] else "text"
        hint = "TEXT" if name == "text" else f"--{name.replace('_', '-')}"
        raise typer.BadParameter(reason_of(wrong), param_hint=hint) from None


async def _search(collection: str, request: SearchRequest) -> SearchResponse:
    async with open_state(Settings()) as state:
        return await run_search(state, collection, request)


def _print(found: SearchResponse) -> None:
    print_table(
        ["score", "relevance", "id"],
        [[f"{hit.score:.3f}", f"{hit.relevance:.2f}", hit.id] for hit in found.hits],
    )
    for name, values in found.facets.items():
        print_table([name, "images"], [[str(each.value), str(each.count)] for each in values])
