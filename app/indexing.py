"""An Indexing as the settings want it, for the command line and the worker alike."""

from app.config import Settings
from app.embedders import encoder_options
from indexer.catalog.db import Database
from indexer.drivers import DriverName
from indexer.drivers.base import EmbedDriver
from indexer.drivers.local import LocalDriver
from indexer.drivers.ray_data.cluster import RayOptions
from indexer.drivers.ray_data.driver import RayDriver
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
        driver=_driver(settings),
    )


def _driver(settings: Settings) -> EmbedDriver:
    """Raises ClusterFailed where Ray is asked for and not installed."""
    if settings.index_driver is DriverName.LOCAL:
        return LocalDriver()
    options = RayOptions(
        address=settings.ray_address,
        encoders=settings.ray_encoders,
        gpus_per_encoder=settings.ray_gpus_per_encoder,
        threads=settings.decode_threads or 1,
    )
    return RayDriver(options, encoder_options(settings), settings.source_options())
