"""What can be wrong with what is asked of a search, beside its shape."""

from http import HTTPStatus

from app.errors import InvalidRequest, Problem, described


class InvalidField(InvalidRequest):
    """A field that is well-formed, and makes no sense here."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.members = {"errors": [{"field": field, "message": message}]}


class BadPicture(Problem):
    """A picture that is asked with: its own error, and which it was."""

    def __init__(self, field: str, error: Exception) -> None:
        self.status, self.code, message = described(error)
        super().__init__(f"{field}: {message}")
        self.members = {"errors": [{"field": field, "message": message}]}


class CursorExpired(Problem):
    """The pages before came from another version of the index."""

    status = HTTPStatus.GONE
    code = "cursor_expired"

    def __init__(self) -> None:
        super().__init__("the index is another one by now: search again, without a cursor")
