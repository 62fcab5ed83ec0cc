"""What docs/api.md tells people to send is answered as it says."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.problem_codes import CODES
from tests.app.api.guide import GUIDE, Example, difference, examples, run_shell
from tests.app.api.wardrobe import picture, wardrobe
from tests.indexer.sources.picture_server import picture_server
from tests.waiting import until

README = GUIDE.parents[1]


@pytest.fixture
def server(settings: Settings, photos: Path) -> Iterator[httpx.Client]:
    """That may fetch from loopback, asks for keys, and has suggestions."""
    fetching = Settings(**settings.model_dump() | {"fetch_allowed_networks": ["127.0.0.0/8"]})
    with wardrobe(fetching, photos, keys=True) as client:
        until(lambda: client.get("/v1/collections/shop/suggest").json()["suggestions"])
        yield client


@pytest.fixture
def guide(server: httpx.Client, tmp_path: Path) -> Iterator[list[Example]]:
    """Of this server, and of pictures on this machine."""
    red = picture("red")
    (tmp_path / "photo.jpg").write_bytes(red)
    with picture_server() as web:
        url = web.put("/red.jpg", red)
        text = GUIDE.read_text().replace("http://127.0.0.1:8000", str(server.base_url).rstrip("/"))
        text = text.replace("https://cdn.example/red.jpg", url)
        yield examples(text.replace("Bearer ng_…", server.headers["Authorization"]))


@pytest.mark.skipif(not shutil.which("curl"), reason="the guide calls by curl: there is none")
def test_the_guide_runs_from_its_first_line_to_its_last(
    guide: list[Example], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = guide
    assert first.language == "bash"
    names: dict[str, Any] = dict(
        re.findall(r"^(API|KEY)='?([^'\s]+(?: [^'\s]+)*)", first.code, re.MULTILINE)
    )
    wrong = []
    for example in rest:
        if example.language == "python":
            exec(compile(example.code, f"api.md:{example.line}", "exec"), names)  # noqa: S102
            continue
        statuses, answers = run_shell(first.code + example.code, tmp_path)
        if statuses != example.statuses:
            wrong.append((example.line, statuses, answers))
        wrong += [
            (example.line, different)
            for shown, actual in zip(example.shown, answers, strict=False)
            if (different := difference(shown, actual))
        ]
        assert len(example.shown) <= len(answers), example.line
    names["noongil"].close()
    assert not wrong, wrong
    assert "sku-" in capsys.readouterr().out


def test_the_guide_lists_every_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+) \|$", GUIDE.read_text(), re.MULTILINE)
    assert {code: (int(status), meaning) for status, code, meaning in rows} == {
        code: (status.value, meaning) for code, (status, meaning) in CODES.items()
    }


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_guide_is_found_from_the_front_page(name: str) -> None:
    assert "docs/api.md" in (README / name).read_text()


@pytest.mark.parametrize(
    ("shown", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "…": "…"}, {"b": 1}),
        ({"a": None}, {"a": "text"}),
        ({"a": True}, {"a": 1}),
        ([1, 2], [1]),
        ([{"a": "x"}, "…"], [{"a": 1}]),
    ],
)
def test_an_answer_of_another_form_is_noticed(shown: Any, actual: Any) -> None:
    assert difference(shown, actual)
    assert not difference(shown, shown)
