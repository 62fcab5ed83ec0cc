"""Prometheus metrics: a registry for each process."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)

from app.build import VERSION
from app.observing.metrics import HttpMetrics
from models.batching.metrics import CacheMetrics, EncodeMetrics


def process_registry() -> CollectorRegistry:
    """What every process tells: its edition, its memory, its time, its open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry)
    build = Gauge("noongil_build_info", "1, of the edition", ["version"], registry=registry)
    build.labels(VERSION).set(1)
    return registry


def rejected_pictures(registry: CollectorRegistry) -> Counter:
    return Counter(
        "noongil_rejected_total", "Pictures refused, by reason", ["reason"], registry=registry
    )


class Metrics:
    """Of a server."""

    def __init__(self) -> None:
        self.registry = process_registry()
        self.http = HttpMetrics(self.registry)
        self.search_seconds = Histogram(
            "noongil_search_seconds",
            "Time to answer a search, encoding included",
            ["collection"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=self.registry,
        )
        self.encoding = EncodeMetrics(self.registry)
        self.query_cache = CacheMetrics(self.registry)
        self.index_vectors = Gauge(
            "noongil_index_vectors",
            "Images in the version being served",
            ["collection"],
            registry=self.registry,
        )
        self.delta_images = Gauge(
            "noongil_delta_images",
            "Images searched beside the version: what changed since it was made",
            ["collection"],
            registry=self.registry,
        )
        self.delta_behind = Gauge(
            "noongil_delta_behind",
            "Changes that did not fit beside the version, and wait for the next index",
            ["collection"],
            registry=self.registry,
        )
        self.active_version = Gauge(
            "noongil_active_version",
            "1 for the version being served",
            ["collection", "version"],
            registry=self.registry,
        )
        self.refused = Counter(
            "noongil_refused_requests_total",
            "Requests refused for their key: unauthorized, forbidden, rate_limited",
            ["reason"],
            registry=self.registry,
        )
        self.rejected = rejected_pictures(self.registry)
