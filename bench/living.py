"""What a living collection promises, measured on real processes over HTTP.

python -m bench.living [--only seen one swaps models] [--images 10000] [--swaps 20]

Method: synthetic pictures, SQLite where nothing else is said. The servers have the first core; the
jobs worker and the client share the second. Searches come at a steady rate, each timed from the
moment when it should have been sent.

seen    two servers; pictures are put and deleted through the first, and the second is searched,
        all k, until its answer says so: the time from the acknowledgement. SQLite and PostgreSQL
one     a reindex of all images after one of them was changed: how many were embedded
swaps   one picture is put and everything built anew, again and again, under searches, every other
        of which is by a text that nobody asked before: failed requests; answers that mix versions
        (of one version, a text has one answer, the picture that was put aside, and no image is in
        it twice); p99 around a swap, half a second before to a second and a half after, relative
        to p99 with the worker at rest. Beside it, p99 while a picture is put and the worker
        builds: an encoder that has one core gives it to the picture. The first picture, which
        loads PyTorch, is put before all this. Memory of the server after the first and last swap
models  the collection goes from the starter to a model of another space and back, under searches:
        the same two counts
"""

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path

import httpx
import numpy as np
import pgserver
import psutil

from bench.living_shop import COLLECTION, PORTS, Shop, paint, picture, put, reindex
from bench.queries import queries
from bench.random_model import save_random
from bench.steady_load import Answer, SteadyLoad

PARTS = ("seen", "one", "swaps", "models")
PROBE = "probe"
RATE = 40.0
STEADY_SECONDS = 45.0
BEFORE_SECONDS, AFTER_SECONDS = 0.5, 1.5
AGAIN = list(islice(queries(5), 20))
ONCE = list(islice(queries(6), 40_000))
LIMIT_SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--writes", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "seen" in arguments.only:
            seen(folder / "seen", arguments.writes)
        if {"one", "swaps"} & set(arguments.only):
            shop = _shop(folder / "swaps", _sqlite(folder / "swaps"), arguments.images)
            if "one" in arguments.only:
                one(shop)
            if "swaps" in arguments.only:
                swaps(shop, arguments.swaps)
        if "models" in arguments.only:
            models(folder / "models")


def seen(folder: Path, writes: int) -> None:
    folder.mkdir()
    for kind in ("SQLite", "PostgreSQL"):
        with _database(kind, folder) as url:
            shop = _shop(folder / kind, url, images=100)
            with shop.open(servers=2, worker=False) as (first, second):
                puts, deletes = [], []
                for number in range(writes):
                    put(first, PROBE, picture(1_000_000 + number))
                    puts.append(_seconds_until(second, shown=True))
                    first.delete(_path(PROBE)).raise_for_status()
                    deletes.append(_seconds_until(second, shown=False))
        for what, seconds in (("put", puts), ("deleted", deletes)):
            print(f"seen by another server, {kind}, {what}: {_percentiles(seconds)} of {writes}")


def one(shop: Shop) -> None:
    changed = shop.folder / "photos" / "000000.jpg"
    changed.write_bytes(picture(2_000_000))
    with shop.open() as (client,):
        job = reindex(client)
    result = job["result"]
    print(f"reindex with one of {result['total']} changed: {result['embedded']} embedded")


def swaps(shop: Shop, count: int) -> None:
    memory = []
    with shop.open() as (client,):
        put(client, PROBE, picture(3_000_000))
        with SteadyLoad(PORTS[0], COLLECTION, _text, RATE) as load:
            time.sleep(STEADY_SECONDS)
            steady_until = time.monotonic()
            for number in range(1, count + 1):
                put(client, PROBE, picture(3_000_000 + number))
                reindex(client)
                time.sleep(AFTER_SECONDS)
                memory.append(_server_memory())
    moments = list(_swaps(load.answers))
    steady = [a.seconds for a in load.answers if _warm(load) < a.due < steady_until]
    around = [a.seconds for a in load.answers if _is_near(a.due, moments)]
    between = [
        a.seconds for a in load.answers if a.due > steady_until and not _is_near(a.due, moments)
    ]
    _report(f"{count} reindexes, {len(moments)} swaps seen", load)
    for what, seconds in (("steady", steady), ("around a swap", around), ("else", between)):
        ratio = np.percentile(seconds, 99) / np.percentile(steady, 99)
        print(f"  {what}: {_percentiles(seconds)} of {len(seconds)}; p99 × {ratio:.2f}")
    print(f"  memory of the server: {memory[0]} MB after the first, {memory[-1]} MB after the last")


def models(folder: Path) -> None:
    folder.mkdir()
    other = save_random("RN50", folder)
    shop = _shop(folder / "shop", _sqlite(folder / "shop"), images=200)
    with shop.open() as (client,), SteadyLoad(PORTS[0], COLLECTION, _text, RATE / 4) as load:
        time.sleep(3)
        reindex(client, model=other)
        time.sleep(3)
        versions = client.get(f"/v1/admin/collections/{COLLECTION}/versions").json()
        first = versions[-1]["name"]
        path = f"/v1/admin/collections/{COLLECTION}/versions/{first}/activate"
        client.post(path).raise_for_status()
        time.sleep(3)
    _report(f"{len(list(_swaps(load.answers)))} changes of the model", load)


def _report(what: str, load: SteadyLoad) -> None:
    failed = len(load.failures) + load.statuses.total() - load.statuses[200]
    print(
        f"{what}: {load.statuses.total()} searches, {failed} failed, "
        f"{_mixed(load.answers)} mix versions"
    )
    refused = [
        f"{one.status} {one.body.get('detail')}" for one in load.answers if one.status != 200
    ]
    for failure, count in Counter([*load.failures, *refused]).most_common(3):
        print(f"  {count} × {failure}")


def _mixed(answers: Sequence[Answer]) -> int:
    """Answers unlike the others of the same version to the same text, or with an image twice."""
    seen_as: defaultdict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    mixed = 0
    for answer in answers:
        if answer.status != 200:
            continue
        hits = [(hit["id"], hit["score"]) for hit in answer.body["hits"]]
        others = [hit for hit in hits if hit[0] != PROBE][:49]
        expected = seen_as.setdefault((answer.body["version"], answer.text), others)
        mixed += others != expected or len({key for key, _ in hits}) < len(hits)
    return mixed


def _swaps(answers: Sequence[Answer]) -> Iterator[float]:
    """When the version of the answers changed."""
    good = [answer for answer in answers if answer.status == 200]
    for before, after in pairwise(good):
        if before.body["version"] != after.body["version"]:
            yield after.due


def _is_near(moment: float, swapped: Sequence[float]) -> bool:
    return any(-BEFORE_SECONDS < moment - swap < AFTER_SECONDS for swap in swapped)


def _warm(load: SteadyLoad) -> float:
    """Every text that comes again was asked once."""
    return load.answers[0].due + 2 * len(AGAIN) / RATE


def _server_memory() -> int:
    """MB that are its alone: files that are mapped are not counted."""
    servers = [child for child in psutil.Process().children() if "serve" in child.cmdline()]
    return int(sum(server.memory_full_info().uss for server in servers)) // 1_000_000


def _text(number: int) -> str:
    return ONCE[number % len(ONCE)] if number % 2 else AGAIN[number // 2 % len(AGAIN)]


def _seconds_until(client: httpx.Client, *, shown: bool) -> float:
    started = time.monotonic()
    while time.monotonic() < started + LIMIT_SECONDS:
        asked = {"text": "red shoes", "k": 1000}
        answer = client.post(f"/v1/collections/{COLLECTION}/search", json=asked).raise_for_status()
        if shown == any(hit["id"] == PROBE for hit in answer.json()["hits"]):
            return time.monotonic() - started
        time.sleep(0.002)
    raise RuntimeError("it is never seen")


def _shop(folder: Path, database_url: str, images: int) -> Shop:
    folder.mkdir(parents=True, exist_ok=True)
    paint(folder / "photos", range(images))
    shop = Shop(folder, database_url)
    shop.index(folder / "photos")
    return shop


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'noongil.db'}"


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "SQLite":
        yield _sqlite(folder)
        return
    with tempfile.TemporaryDirectory(prefix="noongil-postgres-") as name:
        server = pgserver.get_server(name)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _path(key: str) -> str:
    return f"/v1/collections/{COLLECTION}/images/{key}"


def _percentiles(seconds: Sequence[float]) -> str:
    p50, p99 = (1000 * np.percentile(seconds, share) for share in (50, 99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {1000 * max(seconds):.0f} ms"


if __name__ == "__main__":
    main()
