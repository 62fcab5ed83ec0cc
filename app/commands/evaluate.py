"""`noongil eval`."""

from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated

import typer

from app.commands.arguments import AsJson
from app.config import Settings
from app.console import print_json, print_table
from app.embedders import encoder_options
from indexer.evaluate import evaluate as evaluate_folder
from models.registry import shared_encoder


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
