"""How many requests were answered how, and how fast."""

import time

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.observing.exchange import Exchange

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """Labels are bounded: by the application's routes, and the statuses that it knows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "noongil_http_requests_total",
            "Requests answered; status 499: the client left before",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "noongil_http_seconds",
            "Time from a request's head to the end of its answer",
            ["route"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 30),
            registry=registry,
        )
        # Found once: to find a child takes 2 µs.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def observe(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        method = exchange.method if exchange.method in _METHODS else "other"
        asked = method, exchange.route, exchange.status
        counter = self._counters.get(asked) or self._counter(*asked)
        counter.inc()
        self._histograms[exchange.route].observe(seconds)

    def _counter(self, method: str, route: str, status: int) -> Counter:
        counter = self._requests.labels(method, route, status)
        self._histograms[route] = self._seconds.labels(route)
        self._counters[method, route, status] = counter
        return counter
