"""Queries as shops get them: three words, each query asked once."""

from collections.abc import Iterator

import numpy as np

_LOOKS = ("red", "blue", "black", "white", "green", "pink", "grey", "brown", "leather", "wool")
_THINGS = ("shoes", "boots", "sandals", "dress", "shirt", "jacket", "coat", "jeans", "skirt", "hat")
_USES = ("summer", "winter", "rain", "running", "hiking", "office", "party", "kids", "men", "women")
_WORDS = (*_LOOKS, *_THINGS, *_USES, "bag", "belt", "watch", "socks", "sweater")


def queries(seed: int) -> Iterator[str]:
    """Without end; after some 43,000 they come again."""
    random = np.random.default_rng(seed)
    size = len(_WORDS)
    while True:
        for number in random.permutation(size**3):
            first, rest = divmod(number, size**2)
            second, third = divmod(rest, size)
            yield f"{_WORDS[first]} {_WORDS[second]} {_WORDS[third]}"
