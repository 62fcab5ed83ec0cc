"""How every process of the program writes its log: the one place that configures it.

Lines go to standard error. As JSON each is one object, whatever it tells of: a library's warning,
what is otherwise said to a person, an exception that nobody caught.
"""

import io
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry import trace
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.config import Settings
from app.console import console
from models.request_id import REQUEST_ID

_CONTEXT = ("request_id", "trace_id", "job_id")
_NOT_FOR_LOGS = ("color_message", "websocket")
"""What uvicorn and websockets add to records for formatters of their own."""

_SECRETS = re.compile(
    r"(ng_[0-9A-Za-z]{12}_)[0-9A-Za-z]+|(://[^\s:@/\"\\]*:)(?!\d+/)[^\s@\"\\]{1,256}+(?=@)"
)
"""The secret of a key; the password in a URL, which may hold a slash where a port and a path do
not stand. Its length is bounded: an address that a caller makes up may begin thousands.
"""

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"
}
"""What moves the cursor, or worse."""

_process = logging.getLogger("noongil")
_of_process: dict[str, str] = {}


def configure(settings: Settings) -> None:
    """The root logger, to which all others pass their records on: uvicorn's too, where it is
    started with `log_config=None`.
    """
    as_json = settings.log_format == "json"
    handler = logging.StreamHandler()
    handler.addFilter(_add_context)
    handler.setFormatter(_Json() if as_json else _Text())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if as_json:
        console.file, console.soft_wrap = _Lines(), True
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_of_thread
        sys.unraisablehook = _log_unraisable


@contextmanager
def marked(**fields: str) -> Iterator[None]:
    """In every line of this process, whichever of its threads writes it."""
    _of_process.update(fields)
    try:
        yield
    finally:
        for name in fields:
            del _of_process[name]


def without_secrets(text: str) -> str:
    """No line of ours names one; an error of a library may."""
    return _SECRETS.sub(lambda found: f"{found[1] or found[2]}…", text)


def _add_context(record: logging.LogRecord) -> bool:
    fields = dict(_of_process)
    if (request_id := REQUEST_ID.get()) is not None:
        fields["request_id"] = request_id
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        fields["trace_id"] = trace.format_trace_id(span.trace_id)
    for name, value in fields.items():
        if not hasattr(record, name):  # what the line itself names goes before
            setattr(record, name, value)
    return True


class _Text(logging.Formatter):
    """A line of its own begins at the margin: what a caller named cannot pass for one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        named = (f" {name}={getattr(record, name)}" for name in _CONTEXT if hasattr(record, name))
        return super().formatMessage(record) + "".join(named)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).translate(_CONTROLS)
        return without_secrets(text.replace("\n", "\n\t"))


class _Json(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            ("asctime", "levelname", "name", "message"),
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
            },
            reserved_attrs=[*RESERVED_ATTRS, *_NOT_FOR_LOGS],
            json_ensure_ascii=False,
        )

    def formatTime(  # noqa: N802 - logging's own
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """RFC 3339, in UTC."""
        del datefmt
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Lines(io.StringIO):
    """A file whose lines are log records: what is said to a person elsewhere."""

    def write(self, text: str) -> int:
        for line in filter(None, map(str.strip, text.splitlines())):
            level = logging.ERROR if line.startswith("error: ") else logging.INFO
            _process.log(level, "%s", line)
        return len(text)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    _process.critical("the process ends: %r", error, exc_info=(kind, error, traceback))


def _log_uncaught_of_thread(failed: threading.ExceptHookArgs) -> None:
    if (error := failed.exc_value) is not None:
        name = failed.thread.name if failed.thread else "unknown"
        _process.critical("the thread %s ends: %r", name, error, exc_info=error)


def _log_unraisable(failed: "sys.UnraisableHookArgs") -> None:
    """Where nobody could catch it, as in a destructor. What failed is not kept: it may be dying."""
    where = getattr(failed.object, "__qualname__", type(failed.object).__name__)
    _process.error("ignored in %s: %r", where, failed.exc_value, exc_info=failed.exc_value)
