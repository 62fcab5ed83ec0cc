"""What an encoder tells Prometheus, in the server's registry or in the worker's."""

import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from models.batching.batch import Lane


class EncodeMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        batch_size = Histogram(
            "noongil_encode_batch_size",
            "Texts or images in a forward pass",
            ["kind"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        batch_seconds = Histogram(
            "noongil_encode_batch_seconds",
            "Time of a forward pass",
            ["kind"],
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=registry,
        )
        # There from the start, at zero; and found once, as finding costs more than observing.
        self.batch_size = {lane: batch_size.labels(lane) for lane in Lane}
        self.batch_seconds = {lane: batch_seconds.labels(lane) for lane in Lane}
        self.queue_seconds = Histogram(
            "noongil_encode_queue_seconds",
            "Time that a request waited for the encoder",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=registry,
        )
        self.tokens = Counter(
            "noongil_encode_tokens_total", "Tokens encoded, padding included", registry=registry
        )
        self.refused = Counter(
            "noongil_encode_refused_total",
            "Requests that were not encoded, by reason",
            ["reason"],
            registry=registry,
        )
        device_memory = Gauge(
            "noongil_device_memory_bytes",
            "Memory of the accelerator held by this process; 0 without one",
            registry=registry,
        )
        device_memory.set_function(_device_memory)


def _device_memory() -> float:
    torch = sys.modules.get("torch")  # never imported for its own sake: it takes seconds
    if torch is None or not torch.cuda.is_available():
        return 0.0
    return float(sum(torch.cuda.memory_reserved(n) for n in range(torch.cuda.device_count())))


class CacheMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        looked_up = Counter(
            "noongil_query_cache_total",
            "Texts looked up in the cache of query embeddings",
            ["result"],
            registry=registry,
        )
        self.hits = looked_up.labels("hit")
        self.misses = looked_up.labels("miss")
