"""Spans of what is done for a request. While traces are off, as they are until somebody turns them
on, a span costs what an empty `with` does, and no SDK is imported.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attribute = str | bool | int | float

_NO_SPAN = nullcontext(INVALID_SPAN)
_W3C = TraceContextTextMapPropagator()

_tracer: Tracer | None = None


def turn_on() -> None:
    """Spans go to the tracer provider that is set for the process."""
    global _tracer  # noqa: PLW0603 - it is the process that is traced
    _tracer = trace.get_tracer("noongil")


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Span]:
    """A child of the span that the caller is in. No attribute holds a query's text, or a key."""
    return _NO_SPAN if _tracer is None else _entered(_tracer, name, attributes)


def began(name: str, **attributes: Attribute) -> Span:
    """A child that is not entered, and which the caller ends: from any thread."""
    if _tracer is None:
        return INVALID_SPAN
    return _tracer.start_span(name, attributes=_named(attributes))


def span_for(
    traceparents: Sequence[str], name: str, **attributes: Attribute
) -> AbstractContextManager[Span]:
    """A child of the first, which may be another process's, and linked to the others."""
    if _tracer is None:
        return _NO_SPAN
    contexts = [_W3C.extract({"traceparent": parent}, Context()) for parent in traceparents]
    others = [Link(trace.get_current_span(one).get_span_context()) for one in contexts[1:]]
    return _entered(_tracer, name, attributes, contexts[0] if contexts else None, others)


def tell(told: Span, **attributes: Attribute) -> None:
    """Nothing of a span that has ended, or is not recorded. From any thread."""
    if told.is_recording():
        told.set_attributes(_named(attributes))


def traceparent() -> str | None:
    """The span that the caller is in, as it travels (W3C); None where it is in none."""
    if _tracer is None:
        return None
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def _named(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {f"noongil.{name}": value for name, value in attributes.items()}


def _entered(
    tracer: Tracer,
    name: str,
    attributes: dict[str, Attribute],
    parent: Context | None = None,
    links: Sequence[Link] = (),
) -> AbstractContextManager[Span]:
    """Errors are left out: their words may hold a query, and not each is one. Whether a request
    failed, its own span says.
    """
    return tracer.start_as_current_span(
        name,
        parent,
        attributes=_named(attributes),
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    )
