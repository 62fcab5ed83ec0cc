"""`noongil index`: a run over a source."""

import math
import time
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from app.catalog import open_catalog
from app.collections import service as collections_service
from app.collections.schemas import CollectionName
from app.commands.arguments import AsJson, CollectionOption
from app.config import Settings
from app.console import TerminalProgress, print_json, print_summary, summary_as_dict
from app.embedders import encoder_options
from app.indexing import open_indexing
from indexer.building.index_spec import IndexFamily
from indexer.catalog import db
from indexer.drivers import DriverName
from indexer.errors import UnknownCollection
from indexer.indexing_run import IndexSummary
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from indexer.sources.with_attributes import WithAttributes
from models.encoder_pool import pool_of
from models.regions.schemes import Regions, changed, with_regions
from models.registry import shared_encoder


def _number(value: float | None) -> float | None:
    """`nan` is a float between any bounds."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


def index(  # noqa: PLR0913 - a parameter a flag
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Folder, CSV, JSONL, Parquet or tar files; a path or a URL."
        ),
    ],
    collection: CollectionOption,
    model: Annotated[str | None, typer.Option(help="Model; default: the collection's.")] = None,
    attributes: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="CSV, JSONL or Parquet: `id` and attributes."),
    ] = None,
    family: Annotated[
        IndexFamily | None, typer.Option("--index", help="Index; default: the collection's.")
    ] = None,
    regions: Annotated[
        Regions | None, typer.Option(help="Parts of pictures to search; default: the collection's.")
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1.0, callback=_number, help="recall@10 to aim at and not to miss."
        ),
    ] = None,
    driver: Annotated[
        DriverName | None, typer.Option(help="Where to embed; default: as the settings say.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Embed what is new or changed in SOURCE and publish a new index version."""
    settings = Settings()
    if driver is not None:
        settings.index_driver = driver
    try:
        TypeAdapter(CollectionName).validate_python(collection)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--collection") from None
    opened = _source(settings, source, attributes)
    db.upgrade_if_new(settings.database_url)
    known_model, known_recall = _defaults_of(settings, collection)
    spec = changed(known_model, model, regions)
    summary = index_into(settings, collection, opened, spec, recall or known_recall, family=family)
    if as_json:
        print_json(summary_as_dict(summary))


def index_into(
    settings: Settings,
    collection: str,
    source: ImageSource,
    model: str,
    recall: float,
    *,
    family: IndexFamily | None = None,
    sole_source: bool = False,
) -> IndexSummary:
    """Run, showing progress and a summary."""
    started = time.monotonic()
    run = open_indexing(settings, open_catalog(settings))
    options = encoder_options(settings)
    encoder = shared_encoder(model, options)
    with TerminalProgress() as progress, pool_of(encoder, settings.index_devices, options) as pool:
        summary = run.run(
            collection,
            source,
            encoder,
            progress,
            recall=recall,
            sole_source=sole_source,
            family=family,
            pool=pool,
        )
    print_summary(collection, summary, time.monotonic() - started)
    return summary


def _source(settings: Settings, source: str, attributes: str | None) -> ImageSource:
    options = settings.source_options()
    opened = source_of(source, options=options)
    return WithAttributes(opened, attributes, options) if attributes else opened


def _defaults_of(settings: Settings, collection: str) -> tuple[str, float]:
    """Model and recall of the collection; of a new one, what the settings say."""
    try:
        view = collections_service.show(open_catalog(settings), collection)
    except UnknownCollection:
        return settings.model, settings.recall
    return with_regions(view.model, view.regions), view.recall
