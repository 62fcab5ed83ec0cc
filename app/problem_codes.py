"""Every `code` of a problem+json: its status, and what it means to a client.

A code never changes its meaning. The errors that carry them are in app/errors.py.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple


class Code(NamedTuple):
    status: HTTPStatus
    meaning: str


CODES: Mapping[str, Code] = {
    "bad_request": Code(HTTPStatus.BAD_REQUEST, "The request is not HTTP as it is read here."),
    "host_not_allowed": Code(
        HTTPStatus.BAD_REQUEST, "Without keys, the server answers to names of its own only."
    ),
    "unauthorized": Code(HTTPStatus.UNAUTHORIZED, "No key was sent, or none that is known."),
    "forbidden": Code(HTTPStatus.FORBIDDEN, "The key's scope is not enough."),
    "origin_not_allowed": Code(
        HTTPStatus.FORBIDDEN, "Without keys, pages of other sites may not write."
    ),
    "not_found": Code(HTTPStatus.NOT_FOUND, "There is no such image, key or address."),
    "unknown_collection": Code(HTTPStatus.NOT_FOUND, "There is no collection of that name."),
    "unknown_version": Code(HTTPStatus.NOT_FOUND, "The collection has no version of that name."),
    "unknown_job": Code(HTTPStatus.NOT_FOUND, "There is no job of that id."),
    "method_not_allowed": Code(
        HTTPStatus.METHOD_NOT_ALLOWED, "The address has other methods: see the header Allow."
    ),
    "request_timeout": Code(
        HTTPStatus.REQUEST_TIMEOUT, "The rest of the request did not come in time."
    ),
    "collection_exists": Code(HTTPStatus.CONFLICT, "The name is taken."),
    "collection_busy": Code(HTTPStatus.CONFLICT, "Another process indexes the collection."),
    "job_running": Code(
        HTTPStatus.CONFLICT, "The collection has an unfinished job: `job_id`, and Location."
    ),
    "job_finished": Code(HTTPStatus.CONFLICT, "The job is over."),
    "cursor_expired": Code(
        HTTPStatus.GONE, "The index is another one by now: search again, without a cursor."
    ),
    "body_too_large": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is over its limit."),
    "too_many_lines": Code(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The batch has too many lines."),
    "unsupported_media_type": Code(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is of a kind that is not read here."
    ),
    "invalid_request": Code(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A field is wrong: `errors` names it, where there are some.",
    ),
    "invalid_input": Code(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The encoder cannot read the text: it is blank, for one."
    ),
    "image_rejected": Code(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The picture is refused: `detail` begins with the reason."
    ),
    "unknown_model": Code(
        HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such model, or none that is in use."
    ),
    "rate_limited": Code(
        HTTPStatus.TOO_MANY_REQUESTS, "The key was used too often: wait for Retry-After."
    ),
    "head_too_large": Code(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are over their limit."
    ),
    "internal_error": Code(
        HTTPStatus.INTERNAL_SERVER_ERROR, "An error of the program; the server's log has it."
    ),
    "encoding_failed": Code(HTTPStatus.INTERNAL_SERVER_ERROR, "The encoder failed."),
    "not_ready": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "The collection, or the server, cannot serve just now."
    ),
    "overloaded": Code(HTTPStatus.SERVICE_UNAVAILABLE, "There is more to do than there is room."),
    "deadline_exceeded": Code(HTTPStatus.SERVICE_UNAVAILABLE, "The encoder had no answer in time."),
    "encoder_away": Code(HTTPStatus.SERVICE_UNAVAILABLE, "The encoder is starting, or down."),
    "model_unavailable": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "The model's weights cannot be loaded."
    ),
    "version_damaged": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "The version's files are not what was written."
    ),
    "index_away": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "Milvus, which holds the index, does not answer just now."
    ),
    "storage_failed": Code(HTTPStatus.SERVICE_UNAVAILABLE, "The disk takes no file just now."),
    "lease_lost": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "Another process may have taken over: ask again."
    ),
    "catalog_unavailable": Code(
        HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer just now."
    ),
}

ENCODER_CODES = (
    "not_ready",
    "overloaded",
    "deadline_exceeded",
    "encoder_away",
    "model_unavailable",
)
"""Of whatever needs an embedding made."""
