"""What Prometheus is told of suggestions."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SuggestMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.terms = Gauge(
            "noongil_suggest_terms",
            "Terms that a collection's suggestions are taken from",
            ["collection"],
            registry=registry,
        )
        lost = Counter(
            "noongil_query_log_lost_total",
            "Searches that were not counted: full, database",
            ["reason"],
            registry=registry,
        )
        # There from the start, at zero.
        self.lost_full, self.lost_database = lost.labels("full"), lost.labels("database")
