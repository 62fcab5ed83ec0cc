"""Whatever is typed: an answer or InvalidInput, and the same again for what it was turned into."""

import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st

from app.hangul.keyboard import typed_as_hangul, typed_as_latin
from app.search.typed.normalize import normalize
from app.search.typed.query import TypedQuery, understand
from models.errors import InvalidInput
from tests.app.typed.labelled import cases

_CASES = [case.typed for case in cases()]
_PIECES = [*sorted({piece for typed in _CASES for piece in typed.split()}), *_CASES]
_ODD = "ㄱㅏㅋㅋㅠㅘㄳ가힣갃\u1100\u1161\u11a8\u3164\uffa1\u200d\u0301ＡﬁA~!^.? 을를이가좀rkE'()🐶"

_texts = (
    st.text(max_size=60)
    | st.text(st.characters(categories=["Lo", "Po", "Zs", "Mn", "Cs"]), max_size=20)
    | st.text(st.sampled_from(_ODD), max_size=20)
    | st.lists(st.sampled_from(_PIECES), max_size=5).map(" ".join)
    | st.lists(st.sampled_from(_PIECES) | st.sampled_from(_ODD), max_size=5).map("".join)
    | st.sampled_from(_CASES).map(typed_as_latin)
    | st.sampled_from(_CASES).map(typed_as_hangul)
    | st.sampled_from(_CASES).map(str.upper)
)


def _understood(text: str) -> TypedQuery:
    try:
        return understand(text)
    except InvalidInput:
        assume(condition=False)
        raise


@given(_texts)
def test_what_was_understood_is_understood_as_it_is(text: str) -> None:
    once = _understood(text)
    again = understand(once.normalized)
    assert again.normalized == once.normalized
    assert again.repaired_from is None


@given(_texts)
def test_it_is_one_line_of_composed_text(text: str) -> None:
    query = _understood(text)
    assert unicodedata.is_normalized("NFC", query.normalized)
    assert query.normalized == " ".join(query.normalized.split())
    assert query.normalized.encode()


@given(_texts)
def test_nothing_that_says_something_is_lost_whole(text: str) -> None:
    query = _understood(text)
    letters = any(map(str.isalnum, normalize(text)))
    assert query.normalized
    assert not letters or any(map(str.isalnum, query.normalized))


@given(_texts)
def test_it_grows_by_the_keys_that_were_struck_at_most(text: str) -> None:
    query = _understood(text)
    keys = typed_as_latin(unicodedata.normalize("NFKC", text))
    assert len(query.normalized) <= 2 * len(keys)
