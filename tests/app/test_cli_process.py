"""The installed program, as a user runs it: real processes, the starter model, real photos."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

NOONGIL = Path(sys.executable).with_name("noongil")
PHOTOS = ["chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "motorcycle_left.png"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an indexed collection `photos`."""
    skimage = pytest.importorskip("skimage.data", reason="the photos come with scikit-image")
    folder = tmp_path_factory.mktemp("home")
    (folder / "photos").mkdir()
    for name in PHOTOS:
        shutil.copy(Path(skimage.__file__).parent / name, folder / "photos" / name)
    (folder / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert noongil(folder, "db", "upgrade").returncode == 0
    ran = noongil(folder, "index", "photos", "--collection", "photos", "--json")
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["total"], summary["rejected"]) == (len(PHOTOS), {"truncated": 1})
    return folder


def noongil(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NOONGIL, *arguments],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def environment() -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if name[:8] != "NOONGIL_"}
    return outside | {"PYTHONUTF8": "1", "NOONGIL_PORT": "0"}


def test_a_cat_is_found_by_its_korean_name(home: Path) -> None:
    ran = noongil(home, "search", "고양이", "--collection", "photos", "-k", "3", "--json")
    assert ran.returncode == 0, ran.stderr
    hits = json.loads(ran.stdout)["hits"]
    assert hits[0]["id"] == "chelsea.png"
    assert len(hits) == 3


def test_a_failure_is_a_line_and_an_exit_code(home: Path) -> None:
    ran = noongil(home, "search", "고양이", "--collection", "none", "--json")
    assert (ran.returncode, ran.stdout) == (1, "")
    last = ran.stderr.strip().splitlines()[-1]
    assert last == "error: there is no collection 'none'"
    assert "Traceback" not in ran.stderr


def test_a_server_answers_until_it_is_told_to_stop(home: Path) -> None:
    with until_ctrl_c(home, "serve") as server, httpx.Client(base_url=server, timeout=30) as client:
        body = client.get("/v1/collections/photos/search", params={"q": "a cat"}).json()
        assert body["hits"][0]["id"] == "chelsea.png"
        assert client.get(body["hits"][0]["thumbnail"]).status_code == 200
        assert client.get("/").status_code == 200


def test_a_demonstration_and_its_worker_end_at_one_ctrl_c(home: Path) -> None:
    with until_ctrl_c(home, "demo", "photos") as server:
        assert httpx.get(f"{server}/v1/collections/demo").json()["images"] == len(PHOTOS)


@contextmanager
def until_ctrl_c(home: Path, *arguments: str) -> Iterator[str]:
    """The address that it serves on. It is to go quietly, and what it started with it."""
    with subprocess.Popen(
        [NOONGIL, *arguments], cwd=home, env=environment(), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        said = []
        try:
            for line in server.stderr:
                said.append(line)
                if found := re.search(r"Noongil is ready: (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                pytest.fail("".join(said))
            yield found[1]
        finally:
            server.send_signal(signal.SIGINT)
            rest = server.stderr.read()  # until nobody is left who could write
            server.wait(30)
    assert "Traceback" not in rest
