"""What Prometheus is told of a collection that is served."""

from app.metrics import Metrics
from app.serving.snapshot import Segments


class Gauges:
    def __init__(self, metrics: Metrics, collection: str) -> None:
        self._metrics = metrics
        self._collection = collection

    def show(self, before: Segments | None, after: Segments | None) -> None:
        self._show_version(before, after)
        if after is not None:
            self._metrics.delta_images.labels(self._collection).set(after.delta.count)
            self._metrics.delta_behind.labels(self._collection).set(after.delta.left_out)
        elif before is not None:
            self._metrics.delta_images.remove(self._collection)
            self._metrics.delta_behind.remove(self._collection)

    def remove(self, before: Segments | None) -> None:
        self.show(before, None)
        self._metrics.search_seconds.remove(self._collection)

    def _show_version(self, before: Segments | None, after: Segments | None) -> None:
        old = before.version if before else None
        new = after.version if after else None
        if new is old:
            return
        if old is not None:
            self._metrics.active_version.remove(self._collection, old.name)
        if new is not None:
            self._metrics.active_version.labels(self._collection, new.name).set(1)
            self._metrics.index_vectors.labels(self._collection).set(new.index.count)
        else:
            self._metrics.index_vectors.remove(self._collection)
