"""What a request asks, as a key: of answers that are kept, and of pages that belong together."""

from collections.abc import Hashable
from hashlib import blake2b

from app.search.cursor import DIGEST_BYTES
from app.search.schemas import SearchRequest

Subject = Hashable

_OF_THE_PAGE = {"k", "cursor", "facets", "include"}
"""What may be another from page to page."""


def subject_of(request: SearchRequest) -> Subject:
    """Which images come, and in which order: equal where these are."""
    image = request.image
    if request.is_plain and (image is None or image.id is not None):
        return (
            request.text,
            image and image.id,
            request.recall,
            request.min_relevance,
            request.verbatim,
        )
    asked = request.model_dump_json(exclude=_OF_THE_PAGE, exclude_defaults=True)
    return blake2b(asked.encode(), digest_size=16).digest()


def question_of(request: SearchRequest, subject: Subject) -> Hashable:
    """Equal where the answers are."""
    return (
        subject,
        request.k,
        request.cursor,
        frozenset(request.include),
        tuple(request.facets),
    )


def digest_of(collection_id: int, subject: Subject) -> bytes:
    """For a cursor: the subject, of that collection."""
    return blake2b(repr((collection_id, subject)).encode(), digest_size=DIGEST_BYTES).digest()


def is_repeatable(request: SearchRequest) -> bool:
    """Whether the same request means the same: what a URL leads to may change."""
    return all(image.url is None for image in request.pictures)
