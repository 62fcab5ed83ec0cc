"""`noongil demo`."""

from pathlib import Path
from typing import Annotated

import typer

from app import server
from app.commands.index import index_into
from app.config import Settings
from app.jobs.child import WorkerProcess
from app.listening import require_free
from indexer.catalog import db
from indexer.errors import SourceError
from indexer.sources import source_of

DEMO = "demo"


def demo(
    photos: Annotated[Path | None, typer.Argument(help="Folder of pictures.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on.")] = None,
) -> None:
    """Index a folder (default: scikit-image's sample photos) and serve it, with a page."""
    settings = Settings()
    if port is not None:
        settings.port = port
    require_free(settings.host, settings.port)
    db.upgrade(settings.database_url)
    source = source_of(str(photos or _sample_photos()), options=settings.source_options())
    index_into(settings, DEMO, source, settings.model, settings.recall, sole_source=True)
    with WorkerProcess():
        server.run(settings)


def _sample_photos() -> Path:
    try:
        import skimage.data  # noqa: PLC0415 - a demonstration's dependency, not the product's
    except ImportError as error:
        raise SourceError(
            "the sample photos come with scikit-image: name a folder of pictures, "
            "or install noongil[demo]"
        ) from error
    return Path(skimage.data.__file__).parent
