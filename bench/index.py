"""Our index beside FAISS alone and beside its peers.

python -m bench.index [--rows 1000000] [--dim 512] [--only recall peers families growth open]
                      [--peers hnswlib usearch …] [--peer-rows 100000] [--family-rows 100000]
                      [--sizes 10000 100000 1000000] [--data clustered hard] [--out docs]
                      [--cache folder]

Method: synthetic embeddings, clustered as images are and hard (`bench.index_data`), asked with
image queries and with text queries that lie off the images; truth is exact search. Versions come
from `indexer.building.build`, calibrated on 400 texts that are not asked. Builds are given two
threads, searches one. Every build, and every index that is searched, has a process of its own.

recall    our build, then the same index by FAISS's calls alone: the same training, the same chunks
          added, the file written. Then ours opened in a fresh process, asked 1,000 queries and its
          memory read; then, target by target, ours and FAISS's IndexRefine over the same files with
          the same parameters, taking turns query by query (batches: of 64)
peers     each builds and writes its index; another process opens it, answers 1,000 queries, has
          its memory read, and answers at least 200 queries singly at every setting; the best
          settings make the curves, and rates at equal recall lie on them
families  each family of the indexer, at the calibrated settings
growth    the exponents of power laws fitted to the sizes; on clustered data, as the next
open      seconds until a version can be searched: never opened here before, so that every file is
          hashed; verified before; and with its files in the page cache

Figures of one section come from one run; sections of a run share versions. Anonymous memory is
what the kernel cannot drop; stored vectors are mapped, and their pages counted apart.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.index_build import Bench
from bench.index_contest import report_peers
from bench.index_data import SAMPLERS
from bench.index_families import report_families
from bench.index_growth import report_growth, report_opening
from bench.index_peers import PEERS
from bench.index_recall import report_recall
from indexer.building.index_spec import MIN_IVF

Section = Callable[[Bench, argparse.Namespace], None]

SECTIONS: dict[str, Section] = {
    "recall": lambda bench, given: report_recall(bench, given.rows),
    "growth": lambda bench, given: report_growth(bench, given.sizes, given.out),
    "open": lambda bench, given: report_opening(bench, given.rows),
    "families": lambda bench, given: report_families(bench, given.family_rows),
    "peers": lambda bench, given: report_peers(bench, given.peer_rows, given.peers, given.out),
}


def main() -> None:
    given = _arguments()
    for folder in (given.cache, given.out):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.cache) as work:
        bench = Bench(given.cache, Path(work), given.dim, given.data)
        for name in given.only:
            started = time.perf_counter()
            SECTIONS[name](bench, given)
            print(f"{name}: {time.perf_counter() - started:.0f} s in all\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    peers = [peer.name for peer in PEERS]
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--data", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--peers", nargs="+", choices=peers, default=peers)
    parser.add_argument("--peer-rows", type=int, default=100_000)
    parser.add_argument("--family-rows", type=int, default=100_000)
    parser.add_argument("--sizes", nargs="+", type=int, default=(10_000, 100_000, 1_000_000))
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where pictures go")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="2 GB at full size")
    given = parser.parse_args()
    if min(given.rows, given.peer_rows, given.family_rows, *given.sizes) < MIN_IVF:
        parser.error(f"fewer than {MIN_IVF:,} vectors have no index to measure: search is exact")
    return given


if __name__ == "__main__":
    main()
