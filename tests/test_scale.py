"""The tables of docs/scale.md are what `python -m bench.scale` works out, of the index as it is."""

from pathlib import Path

import pytest

from bench.scale import Prices, tables

_PAGE = Path(__file__).parents[1] / "docs" / "scale.md"


@pytest.mark.parametrize("name", tables(Prices()))
def test_the_page_shows_what_the_arithmetic_says(name: str) -> None:
    assert tables(Prices())[name] in _PAGE.read_text(encoding="utf-8")
