"""The simple form of a search: what fits into an address."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from app.errors import InvalidRequest
from app.images.uploads import object_of
from app.search.errors import InvalidField
from app.search.schemas import MAX_SORT, QueryText, SearchOptions, SearchRequest

_MAX_FILTER = 8_000


class SimpleSearch(SearchOptions):
    q: QueryText = Field(description="Korean or English text", examples=["빨간 운동화"])
    filter: str | None = Field(
        None,
        max_length=_MAX_FILTER,
        description="Conditions on attributes, as JSON",
        examples=['{"category": "신발", "price": {"lte": 50000}}'],
    )
    sort: str | None = Field(
        None, max_length=MAX_SORT, description="A field; `-price` begins with the highest"
    )

    def request(self) -> SearchRequest:
        """Raises RequestValidationError, InvalidField."""
        given: dict[str, Any] = self.model_dump(exclude_none=True)
        given["text"] = given.pop("q")
        if self.filter is not None:
            given["filter"] = _object(self.filter)
        try:
            return SearchRequest.model_validate(given)
        except ValidationError as error:
            errors = [{**item, "loc": ("query", *item["loc"])} for item in error.errors()]
            raise RequestValidationError(errors) from None


def _object(text: str) -> dict[str, Any]:
    try:
        return object_of(text.encode())
    except InvalidRequest as error:
        raise InvalidField("query.filter", str(error)) from None
