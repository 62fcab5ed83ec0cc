"""Spans on their way to a collector."""

import os
import threading
from collections.abc import Callable
from functools import partial

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from app.build import VERSION
from models import tracing

_PATH = "/v1/traces"
_FLUSH_SECONDS = 2.0
"""For the last spans, where the process ends. A collector that is away is not waited for."""


def start(endpoint: str, service: str) -> Callable[[], None]:
    """From now on spans are made, and sent. What is answered sends the last of them.

    OTEL_* variables hold beside: of the resource, of sampling, of batches, of the collector's
    headers and certificates.
    """
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # attributes as they are now
    ours = Resource.create({"service.name": service, "service.version": VERSION})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/").removesuffix(_PATH) + _PATH)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tracing.turn_on()
    return partial(_end, provider)


def _end(provider: TracerProvider) -> None:
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(_FLUSH_SECONDS)
