"""What a connection is told in place of an answer by the application."""

from collections.abc import Iterable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.errors import problem_response
from app.observing.request_ids import as_header, new_request_id


class Refusal(Exception):
    """Of what is not, or not in time, a request."""

    def __init__(self, status: HTTPStatus, code: str, detail: str) -> None:
        super().__init__(detail)
        self.request_id = new_request_id()
        self._status = status
        self._problem = problem_response(status, code, detail, request_id=self.request_id)

    def to_bytes(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole response; `headers` are those that every response has."""
        own = as_header(self.request_id), (b"connection", b"close")
        lines = [*headers, *self._problem.raw_headers, *own]
        head = b"".join(b"%s: %s\r\n" % line for line in lines)
        return STATUS_LINE[self._status] + head + b"\r\n" + bytes(self._problem.body)


def bad_request(detail: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_request", detail)
