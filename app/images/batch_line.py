"""One line of a batch: what it asks for, and what it is answered."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.errors import BodyTooLarge, InvalidRequest, NotFound, described, reason_of
from app.images.intake import Intake
from app.images.schemas import BatchLine, DeleteLine, PatchLine, PutLine, batch_line
from app.images.uploads import object_of, patch_of, upload_of
from indexer.catalog.tables import Collection
from indexer.live.writes import Applied, Delete, Outcome, Status, Write

logger = logging.getLogger(__name__)

Given = TypeVar("Given")
Made = TypeVar("Made")

_SMALL_BYTES = 16 * 1024
"""Parsed on the spot; a thread would take as long to ask."""

_MAX_FIELD = 200
"""Characters of a field's name: unknown ones are the client's own, of any length."""


@dataclass(frozen=True, slots=True)
class ReadyLine:
    """`write` or `error`; `key` None where the line could not be understood."""

    number: int
    key: str | None = None
    write: Write | None = None
    error: Exception | None = None


async def ready_line(
    intake: Intake, owner: Collection, number: int, line: bytes | None
) -> ReadyLine:
    """Parsed, and a picture prepared. `line` None: it was longer than a body may be."""
    key = None
    try:
        given = await _parsed(intake, line)
        key = given.id
        return ReadyLine(number, key, await _write(intake, owner, given))
    except Exception as error:  # noqa: BLE001 - is this line's answer
        return ReadyLine(number, key, error=error)


def answer(line: ReadyLine, outcome: Outcome | Exception) -> bytes:
    """`outcome`: what its write came to, or why there is none."""
    found: dict[str, Any] = {"line": line.number, "id": line.key}
    if isinstance(outcome, Applied) and outcome.status is Status.MISSING:
        outcome = NotFound("there is no image of that id")
    if isinstance(outcome, Applied):
        found["status"] = status_of(outcome)
    else:
        status, code, detail = described(outcome)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR or code == "catalog_unavailable":
            logger.error("line %d of a batch failed", line.number, exc_info=outcome)
        found |= {"status": status, "code": code, "detail": detail}
    text = json.dumps(found, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def status_of(applied: Applied) -> HTTPStatus:
    match applied.status:
        case Status.CREATED:
            return HTTPStatus.CREATED
        case Status.DELETED:
            return HTTPStatus.NO_CONTENT
    return HTTPStatus.OK


async def _off_loop(size: int, function: Callable[[Given], Made], given: Given) -> Made:
    if size <= _SMALL_BYTES:
        return function(given)
    return await run_in_threadpool(function, given)


async def _write(intake: Intake, owner: Collection, given: BatchLine) -> Write:
    match given:
        case DeleteLine():
            return Delete(given.id)
        case PatchLine():
            return patch_of(given.id, given.attributes)
        case PutLine():
            upload = await _off_loop(len(given.base64 or ""), upload_of, given)
            return await intake.put(owner, given.id, upload)


async def _parsed(intake: Intake, line: bytes | None) -> BatchLine:
    """Raises BodyTooLarge, InvalidRequest."""
    if line is None:
        raise BodyTooLarge(f"a line is at most {intake.reader.max_body_bytes} bytes")
    return await _off_loop(len(line), _line_of, line)


def _line_of(line: bytes) -> BatchLine:
    """Raises InvalidRequest."""
    try:
        return batch_line.validate_python(object_of(line))
    except ValidationError as error:
        raise InvalidRequest("; ".join(map(_message, error.errors()[:3]))) from None


def _message(item: ErrorDetails) -> str:
    field = ".".join(str(part) for part in item["loc"])[:_MAX_FIELD]
    return f"{field}: {reason_of(item)}" if field else reason_of(item)
