"""Whether there are traces: spans of requests and jobs, sent to a collector by OTLP."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from starlette.types import ASGIApp

from app.config import Settings
from app.errors import Problem

_flush: Callable[[], None] | None = None


class CannotTrace(Problem):
    """What traces need is not installed."""


def configure(settings: Settings, service: str) -> None:
    """Nothing, unless a setting names a collector. `service`: the process, as traces name it.
    Raises CannotTrace.
    """
    global _flush  # noqa: PLW0603 - it is the process that is traced
    if settings.otlp_endpoint:
        # Half a second of imports, for those alone who ask for traces.
        _flush = _part("export").start(settings.otlp_endpoint, service)


def traced(app: ASGIApp) -> ASGIApp:
    """With a span for each request. Raises CannotTrace."""
    wrapped: ASGIApp = _part("traced").Traced(app)
    return wrapped


def flush() -> None:
    """Send what is still here. To be called before a signal ends the process."""
    if _flush is not None:
        _flush()


def _part(name: str) -> Any:
    try:
        return import_module(f"app.observing.{name}")
    except ModuleNotFoundError as error:
        raise CannotTrace(
            f"NOONGIL_OTLP_ENDPOINT is set, and {error.name} is not installed: "
            "install noongil[traces]"
        ) from error
