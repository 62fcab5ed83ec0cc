"""An Indexing as the settings want it, for the command line and the worker alike."""

from app.config import Settings
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.writing import IndexingOptions


def open_indexing(settings: Settings, database: Database) -> Indexing:
    options = IndexingOptions(
        embed=embed_options(settings),
        build=settings.build_options(),
        sources=settings.source_options(),
        keep_versions=settings.keep_versions,
        lease_seconds=settings.lease_seconds,
        switch_wait_seconds=settings.switch_wait_seconds,
    )
    return Indexing(database, settings.data_dir, options)


def embed_options(settings: Settings) -> EmbedOptions:
    return EmbedOptions(
        limits=DecodeLimits(settings.max_image_bytes, settings.max_image_pixels),
        threads=settings.decode_threads,
        batch_size=settings.batch_size,
        memory_bytes=settings.index_memory_mb * 1024**2,
    )
