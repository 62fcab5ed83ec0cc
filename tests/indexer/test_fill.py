"""Adding vectors: in memory or merged on disk, the index answers the same."""

import resource
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from indexer.building.fill import fill
from indexer.versions.manifest import INDEX, LISTS
from tests.indexer.versions import DIM, one_thread, pictures, texts

VECTORS = pictures(5_000).astype(np.float16)
CODE_AND_ID = DIM + 8
PLENTY = 2**30
A_THIRD = 2 * len(VECTORS) * CODE_AND_ID // 3


@pytest.fixture(scope="module")
def trained() -> np.ndarray:
    """An empty index, as bytes: each test fills one of its own."""
    index = faiss.index_factory(DIM, "IVF64,SQ8", faiss.METRIC_INNER_PRODUCT)
    with one_thread():
        index.train(VECTORS.astype(np.float32))
    return faiss.serialize_index(index)


def test_lists_merged_on_disk_answer_as_those_in_memory(
    trained: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "merged").mkdir()
    whole = fill(faiss.deserialize_index(trained), VECTORS, tmp_path, PLENTY)
    merged = fill(faiss.deserialize_index(trained), VECTORS, tmp_path / "merged", A_THIRD)
    assert {file.name for file in (tmp_path / "merged").iterdir()} == {INDEX, LISTS}
    assert merged.ntotal == whole.ntotal == len(VECTORS)
    probing = faiss.SearchParametersIVF(nprobe=8)
    for expected, found in zip(
        whole.search(texts(50), 100, params=probing),
        merged.search(texts(50), 100, params=probing),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_nothing_is_printed_where_results_are_expected(
    trained: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A line of FAISS's in the output of `noongil index --json` would make it no JSON."""
    fill(faiss.deserialize_index(trained), VECTORS, tmp_path, A_THIRD)
    assert capfd.readouterr().out == ""


FILL = """
import sys
from pathlib import Path
import faiss, numpy as np
from indexer.building.fill import fill
folder = Path(sys.argv[1])
fill(faiss.read_index(str(folder / "trained")), np.load(folder / "v.npy"), folder, int(sys.argv[2]))
"""


@pytest.mark.parametrize("memory", [PLENTY, A_THIRD])
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(
    trained: np.ndarray, tmp_path: Path, memory: int
) -> None:
    """What is written through a mapping of a full disk kills (SIGBUS). A third of the lists fits
    into a file here, all of them do not.
    """
    limit = len(VECTORS) * CODE_AND_ID // 2
    (tmp_path / "trained").write_bytes(trained.tobytes())
    np.save(tmp_path / "v.npy", VECTORS)
    ran = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path, str(memory)],
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "Error" in ran.stderr.splitlines()[-1]
