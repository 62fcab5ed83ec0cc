"""How often each value of a field occurs among the candidates."""

from app.search.candidates import Candidates, candidates_of
from app.search.page import Search
from app.search.response import FacetValue
from indexer.columns.filters import Filter, lifted

MAX_VALUES = 100


def count_facets(search: Search, candidates: Candidates) -> dict[str, list[FacetValue]]:
    """By field, the most frequent first. Each over the candidates that there would be without the
    filter's conditions on that field: what else could be chosen there.
    """
    known: dict[Filter | None, Candidates] = {search.filter: candidates}
    view = search.collection.segments.attributes
    facets = {}
    for name in search.request.facets:
        wider = None if search.filter is None else lifted(search.filter, name)
        if wider not in known:
            known[wider] = candidates_of(search, wider)
        counted = view.facet(known[wider].ids, name, MAX_VALUES)
        facets[name] = [FacetValue(value, count) for value, count in counted]
    return facets
