"""What this process serves: of each collection a version, what changed since, and the swap."""

from app.serving.serving import Serving
from app.serving.snapshot import OpenVersion, Snapshot

__all__ = ["OpenVersion", "Serving", "Snapshot"]
