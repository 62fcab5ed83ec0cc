"""CSV as people have it: from Excel in Korean, from a shop's export, from a program."""

from pathlib import Path

import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from tests.indexer.sources.source_entries import attributes, is_incomplete, items, put, rejects


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abcd":
        put(tmp_path, f"{name}.png")
    return tmp_path


def csv(folder: Path, text: str, encoding: str = "utf-8") -> ImageSource:
    return source_of(str(put(folder, "items.csv", text.encode(encoding))))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "euc-kr", "utf-16"])
def test_hangul_arrives_in_every_encoding_that_excel_writes(folder: Path, encoding: str) -> None:
    source = csv(folder, "image,상품명\r\na.png,빨간 운동화\r\n", encoding)
    assert attributes(source) == {"a.png": {"상품명": "빨간 운동화"}}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(folder: Path, delimiter: str) -> None:
    text = 'image,note\na.png,"한 줄\n두 줄, ""따옴표""; 끝"\n'.replace(",", delimiter, 1)
    source = csv(folder, text.replace('a.png,"', f'a.png{delimiter}"'))
    assert attributes(source) == {"a.png": {"note": '한 줄\n두 줄, "따옴표"; 끝'}}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-20", ""], [1, -20, None]),
        (["1", "2.5", "1e-3"], [1.0, 2.5, 0.001]),
        (["TRUE", "false", ""], [True, False, None]),
        (["00123", "7"], ["00123", "7"]),
        (["9007199254740993", "1"], ["9007199254740993", "1"]),
        (["+82", "1"], ["+82", "1"]),
        (["1E5", "2"], ["1E5", "2"]),
        (["1", "true"], ["1", "true"]),
        (["1", "a"], ["1", "a"]),
        (["nan", "1"], ["nan", "1"]),
        (["1e999", "2"], ["1e999", "2"]),
        (["2024-01-05", "2024-01-05 10:00"], ["2024-01-05", "2024-01-05T10:00:00"]),
        (["٣", "1"], ["٣", "1"]),
    ],
)
def test_a_column_has_one_type(folder: Path, cells: list[str], values: list[object]) -> None:
    rows = "".join(f"{name}.png,{cell}\n" for name, cell in zip("abc", cells, strict=False))
    found = list(attributes(csv(folder, f"image,x\n{rows}")).values())
    expected = [{} if value is None else {"x": value} for value in values]
    assert found == expected
    assert [type(each.get("x")) for each in found] == [type(value) for value in values]


def test_ids_stay_texts(folder: Path) -> None:
    assert list(attributes(csv(folder, "id,image\n00123,a.png\n7,b.png\n"))) == ["00123", "7"]


def test_rows_of_another_length_are_named_by_the_row_that_excel_shows(folder: Path) -> None:
    source = csv(folder, "image,x\na.png,1\n\nb.png\nc.png,3,4\nd.png,5\n")
    assert rejects(source) == {
        "items.csv:4": RejectReason.BAD_ROW,
        "items.csv:5": RejectReason.BAD_ROW,
    }
    assert list(attributes(source)) == ["a.png", "d.png"]
    assert is_incomplete(source)


@pytest.mark.parametrize(
    "row",
    ['b.png,"never closed' + "\nx,y" * 35_000, "b.png," + "x" * 2_000_000, '"\n",' * 300_000],
)
def test_a_hostile_row_takes_no_more_than_its_share_of_memory(folder: Path, row: str) -> None:
    source = csv(folder, f"image,x\na.png,1\n{row}\n")
    found = list(source)
    assert [item.key for item in items(found)] == ["a.png"]
    assert rejects(found)["items.csv:3"] is RejectReason.BAD_ROW
    assert is_incomplete(found)


def test_a_quote_that_is_never_closed_does_not_swallow_rows_in_silence(folder: Path) -> None:
    source = csv(folder, 'image,x\na.png,1\nb.png,"5\nc.png,3\n')
    assert list(attributes(source)) == ["a.png"]
    assert rejects(source) == {"items.csv:3": RejectReason.BAD_ROW}
    assert is_incomplete(source)


def test_blank_lines_before_the_header_are_nothing(folder: Path) -> None:
    assert attributes(csv(folder, "\n\nimage;x\na.png;1\n")) == {"a.png": {"x": 1}}


def test_columns_of_excel_that_are_empty_are_nothing(folder: Path) -> None:
    assert attributes(csv(folder, "image,x,,\na.png,1,,\n")) == {"a.png": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,\na.png,1\n", "has no name"),
        ("image,x,x\n", "two columns"),
        ("image,any\n", "filters"),
        ("image,a'b\n", "cannot name"),
    ],
)
def test_a_header_that_cannot_be_used_is_explained(folder: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        items(csv(folder, text))


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    put(folder, "items.csv", b"image,x\na.png,\xff\xff\n")
    with pytest.raises(SourceError, match="neither UTF-8 nor CP949"):
        items(source_of(str(folder / "items.csv")))


@pytest.mark.parametrize("padding", [0, 200_000])
def test_half_utf8_and_half_cp949_is_not_read_as_either(folder: Path, padding: int) -> None:
    """As CP949 the first half would be garbled, and nobody told."""
    first = "image,이름\na.png,구두\n".encode() + b"b.png,x\n" * padding
    put(folder, "items.csv", first + "c.png,구두\n".encode("cp949"))
    line = padding + 3
    with pytest.raises(SourceError, match=f"line {line} is not UTF-8, but those before it are"):
        items(source_of(str(folder / "items.csv")))


def test_a_file_that_is_written_anew_is_read_anew(folder: Path) -> None:
    source = csv(folder, "image,x\na.png,1\n")
    assert (source.count(), attributes(source)) == (1, {"a.png": {"x": 1}})
    csv(folder, "image,x\na.png,one\nb.png,two\n")
    assert (source.count(), attributes(source)) == (
        2,
        {"a.png": {"x": "one"}, "b.png": {"x": "two"}},
    )
