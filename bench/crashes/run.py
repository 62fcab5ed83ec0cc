"""One run over one database: write, kill, start again, look; and at last build anew and verify."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.crashes.checks import Inspection, Watcher
from bench.crashes.client import MAX_HITS
from bench.crashes.operator import MODELS, Operator
from bench.crashes.oracle import Oracle, State
from bench.crashes.pace import Pace
from bench.crashes.pictures import png
from bench.crashes.processes import COLLECTION, WORKER, GaveUp, Shop, running_shop
from bench.crashes.tally import Tally
from bench.crashes.writers import Writer
from indexer.catalog.db import Database
from indexer.catalog.repository import collection as collection_of
from indexer.layout import CollectionFolder
from indexer.versions.verification import verify_collection

_WRITERS = 4
_PHOTOS = 24
_FIRST_PHOTO = 100
_STEP_SECONDS = 180.0
_JOB_SECONDS, _START_SECONDS = 10.0, 3.0
_LOOKED_AT = 20
"""Images that are looked at one by one after each restart."""


@dataclass(frozen=True)
class Plan:
    writes: int = 2000
    kills: int = 50
    seed: int = 1
    visible_within: float = 2.0
    """Seconds; what takes longer is a violation."""
    minutes: float = 40.0


@dataclass(frozen=True)
class Crash:
    victims: tuple[str, ...]
    asks: bool
    """Whether the operator asks for something before."""
    lets_finish: bool
    """Whether what was asked for earlier may end before that."""
    waits_for_job: bool
    share: float
    """Of the writes between this crash and the next, how many have begun when it comes."""
    delay: float
    """Seconds from there."""
    holds: bool
    """Whether clients ask again only when all is up again, and has been looked at."""


@dataclass(frozen=True)
class Report:
    tally: Tally
    seconds: float


def run(database_url: str, folder: Path, plan: Plan) -> Report:
    """Raises GaveUp where it comes to no end."""
    began = time.monotonic()
    with running_shop(database_url, folder) as shop:
        tally = Tally()
        _Run(shop, tally, plan).run()
    return Report(tally, time.monotonic() - began)


class _Run:
    def __init__(self, shop: Shop, tally: Tally, plan: Plan) -> None:
        self._shop = shop
        self._tally = tally
        self._plan = plan
        self._over = time.monotonic() + 60 * plan.minutes
        self._random = random.Random(f"{plan.seed}/inspection")  # noqa: S311 - a sample
        self._pace = Pace()
        self._operator = Operator(shop, tally, plan.seed)
        self._oracle = Oracle(_states(plan.writes))
        inspected = (shop.servers, self._oracle, tally, plan.visible_within)
        self._inspection, self._watcher = Inspection(*inspected), Watcher(*inspected)
        self._asked_of_each = 0

    def run(self) -> None:
        self._begin()
        with self._writing(), self._watcher:
            for number, crash in enumerate(_crashes(self._plan)):
                self._crash(number, crash)
                if self._tally.failures:
                    raise self._tally.failures[0]
                if time.monotonic() > self._over:
                    raise GaveUp(f"after {number + 1} kills the time is up")
            self._pace.wait_done(_WRITERS, _STEP_SECONDS)
            self._operator.wait_answered()
            self._end()
        if self._tally.failures:
            raise self._tally.failures[0]

    def _begin(self) -> None:
        for number in range(_PHOTOS):
            (self._shop.photos / f"{number}.png").write_bytes(png(_FIRST_PHOTO + number))
        with self._shop.servers[0].client() as client:
            client.post("/v1/collections", json={"name": COLLECTION}).raise_for_status()
        self._operator.reindex(source=str(self._shop.photos))
        self._inspection.inspect(self._oracle.keys[:_PHOTOS], "at the beginning")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        keys = self._oracle.keys
        writers = [
            Writer(
                number,
                self._shop.servers,
                self._oracle,
                self._pace,
                self._tally,
                keys=keys[number::_WRITERS],
                seed=self._plan.seed,
                visible_within=self._plan.visible_within,
            )
            for number in range(_WRITERS)
        ]
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            self._pace.end()
            for server in self._shop.servers:
                server.kill()  # a request that hangs would be waited for
            for writer in writers:
                writer.join()

    def _crash(self, number: int, crash: Crash) -> None:
        if crash.lets_finish:
            self._operator.wait_for_job(_JOB_SECONDS, running=False)
        if crash.asks:
            self._operator.ask_for_something()
        if crash.waits_for_job:
            self._operator.wait_for_job(_START_SECONDS, running=True)
        before = _WRITERS * self._asked_of_each
        allowed = self._share_of(number)
        self._asked_of_each += allowed
        self._pace.allow(allowed)
        self._pace.wait_begun(before + int(crash.share * _WRITERS * allowed), _STEP_SECONDS)
        time.sleep(crash.delay)
        if crash.holds:
            self._pace.shut()
        self._kill(crash.victims)
        self._shop.restart(*crash.victims)
        self._pace.shut()
        self._pace.wait_still(_STEP_SECONDS)
        some = self._random.sample(self._oracle.keys, min(_LOOKED_AT, len(self._oracle.keys)))
        self._inspection.inspect(some, f"after kill {number + 1} of {'+'.join(crash.victims)}")
        self._pace.open()

    def _kill(self, victims: Sequence[str]) -> None:
        for name in victims:
            self._shop.children[name].kill()
            self._tally.add("killed: worker" if name == WORKER else "killed: servers")

    def _share_of(self, number: int) -> int:
        """Writes of each writer between this crash and the next."""
        each = -(-self._plan.writes // _WRITERS)
        return each * (number + 1) // self._plan.kills - each * number // self._plan.kills

    def _end(self) -> None:
        keys = self._oracle.keys
        self._operator.wait_idle()
        self._inspection.inspect(keys, "at the end")
        self._verify("at the end")
        self._operator.reindex(model=MODELS[0])
        self._shop.restart(*self._ended())
        self._inspection.inspect(keys, "after the last reindex", files=True)
        self._operator.note_jobs()
        self._verify("after the last reindex")

    def _ended(self) -> Sequence[str]:
        """All, killed once more: what is looked at last is what was durable."""
        names = list(self._shop.children)
        for name in names:
            self._shop.children[name].kill()
        return names

    def _verify(self, where: str) -> None:
        self._operator.wait_idle()
        opened = Database(self._shop.database_url)
        try:
            with opened.read() as session:
                owner = collection_of(session, COLLECTION)
            folder = CollectionFolder.of(self._shop.data_dir, owner)
            found = verify_collection(opened, COLLECTION, folder)
        finally:
            opened.close()
        self._tally.violated(f"verified {where}", map(str, found.faults))


def _states(writes: int) -> dict[str, State]:
    """The photos, and as many other keys as have several writes each."""
    photos = {f"{number}.png": State(_FIRST_PHOTO + number) for number in range(_PHOTOS)}
    others = min(MAX_HITS - _PHOTOS, max(10, writes // 6))
    return photos | {f"api/{number}": State() for number in range(others)}


def _crashes(plan: Plan) -> Iterator[Crash]:
    schedule = random.Random(f"{plan.seed}/crashes")  # noqa: S311 - a schedule
    chosen = [("first",)] * 3 + [("second",)] * 3 + [(WORKER,)] * 4
    chosen += [("first", "second"), ("first", WORKER), ("first", "second", WORKER)]
    for _ in range(plan.kills):
        victims = schedule.choice(chosen)
        asks = schedule.random() < 0.8
        yield Crash(
            victims=victims,
            asks=asks,
            lets_finish=schedule.random() < 0.5,
            waits_for_job=asks and (WORKER in victims or schedule.random() < 0.5),
            share=0.9 * schedule.random(),
            delay=schedule.random() ** 2 * (1.0 if WORKER in victims else 0.03),
            holds=schedule.random() < 0.6,
        )
