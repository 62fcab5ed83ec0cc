"""Whether a request fits the fields that the collection's images have."""

from app.search.errors import InvalidField
from app.search.schemas import SearchRequest
from indexer.columns.filters import Filter, parse_filter
from indexer.errors import BadFilter
from indexer.live.attribute_view import AttributeView


def filter_of(request: SearchRequest) -> Filter | None:
    """The filter, if any. Raises InvalidField."""
    if not request.filter:
        return None
    try:
        return parse_filter(request.filter)
    except BadFilter as error:
        raise InvalidField(error.where, error.detail) from None


def require_fields(
    request: SearchRequest,
    filter: Filter | None,  # noqa: A002 - its name
    view: AttributeView,
) -> None:
    """All that the request names, its filter among it. Raises InvalidField."""
    try:
        for number, name in enumerate(request.facets):
            view.require_field(name, f"facets.{number}")
        if request.sort is not None:
            _require_one_value(view, request.sort.field, "sort")
        if request.group_by is not None:
            _require_one_value(view, request.group_by, "group_by")
        if filter is not None:
            view.check(filter)
    except BadFilter as error:
        raise InvalidField(error.where, error.detail) from None


def _require_one_value(view: AttributeView, name: str, where: str) -> None:
    if view.require_field(name, where) == "list":
        raise BadFilter(where, f"needs a field of one value, and {name!r} is a list")
