"""What the dashboard asks and the rules work out, of the service that they are for.

A metric that is renamed leaves a panel empty and an alert silent, which nobody notices until it
is needed.
"""

import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.prometheus.expressions import Named, named, queries, rules
from tests.deployment.prometheus.server import BINARY, Prometheus, prometheus
from tests.deployment.prometheus.service import UNTOLD, Scraped, Service, service

NOT_SEEN = {
    "Refused by the encoder": "nothing is refused where few ask",
    "Versions": "an annotation is of the minute of a switch",
}
"""Panels that may be empty, and why."""

FALSE_ALARMS = {
    "NoongilApiDown",
    "NoongilApiReplicaDown",
    "NoongilCollectionNotServed",
    "NoongilDatabaseAway",
    "NoongilEncoderAway",
    "NoongilErrors",
    "NoongilIndexBehind",
    "NoongilJobStuck",
    "NoongilJobsDown",
    "NoongilNoActiveVersion",
    "NoongilVersionsDiffer",
}
"""None of these is so, however busy the machine."""

FROM_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
TARGET = {"job", "instance"}
_SECONDS = 90


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("NOONGIL_")]:
            environment.delenv(name)
        with service(tmp_path_factory.mktemp("service"), sqlite_template) as running:
            yield running


@pytest.mark.parametrize(
    ("expression", "is_right"),
    [
        ('max by (state) (rate(noongil_jobs{state="new"}[5m] offset 1d)) > 2 or vector(0)', True),
        ("noongil_job", False),
        ('noongil_jobs{status="queued"}', False),
        ("sum by (status) (noongil_jobs)", False),
    ],
)
def test_a_wrong_name_would_be_noticed(expression: str, is_right: bool) -> None:
    known = {"noongil_jobs": {"state"}}
    assert (not [*problems(named(expression), known)]) == is_right


def test_what_is_named_is_there(used: Service) -> None:
    """Where there is no Prometheus: names and labels, as far as reading tells."""
    used.use()
    known = known_names(used)
    wrong = [(name, problem) for name, each in expressions() for problem in problems(each, known)]
    assert not wrong


@pytest.mark.skipif(BINARY is None, reason="there is no Prometheus (apt install prometheus)")
def test_prometheus_answers_every_query(used: Service, tmp_path: Path) -> None:
    with prometheus(tmp_path, used.addresses, used.read_key) as server:
        unanswered = [(query.panel, query.expression) for query in queries()]
        over = time.monotonic() + _SECONDS
        while unanswered and time.monotonic() < over:
            used.use()
            unanswered = [each for each in unanswered if not answers(server, each[1])]
            if {panel for panel, _ in unanswered} <= NOT_SEEN.keys():
                break
        assert {job: health for job, health in server.targets().items() if health != "up"} == {}
        assert [each for each in unanswered if each[0] not in NOT_SEEN] == []
        assert {name: said for name, said in server.rules().items() if said[0] != "ok"} == {}
        assert not server.alerts() & FALSE_ALARMS
        recorded = [rule.name for rule in rules() if not rule.is_alert]
        assert [name for name in recorded if not answers(server, name)] == []


def answers(server: Prometheus, expression: str) -> bool:
    return any(math.isfinite(value) for value in server.values(expression))


def expressions() -> Iterator[tuple[str, Named]]:
    for rule in rules():
        yield rule.name, named(rule.expression)
    for query in queries():
        of_query = named(query.expression)
        yield (
            query.panel,
            Named(of_query.metrics, of_query.matched, of_query.grouped | query.legend),
        )


def known_names(used: Service) -> Scraped:
    """What the service tells, what Prometheus adds, and what the rules record."""
    known: Scraped = defaultdict(set, {name: {*each} for name, each in FROM_PROMETHEUS.items()})
    for job in used.addresses:
        for name, labels in used.scrape(job).items():
            known[name] |= labels | TARGET
    for rule in rules():
        if not rule.is_alert:
            known[rule.name] = {*named(rule.expression).grouped}
    return known


def problems(expression: Named, known: Scraped) -> Iterator[str]:
    yield from (f"{name}: no such metric" for name in expression.metrics - known.keys())
    for name, label in expression.matched:
        if name in known and not {label, UNTOLD} & known[name]:
            yield f"{name} has no label {label}"
    every = set().union(*(known[name] for name in expression.metrics & known.keys()))
    if UNTOLD not in every:
        yield from (f"nothing here has a label {label}" for label in expression.grouped - every)
