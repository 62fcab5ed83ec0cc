"""The deployment that `docker-compose.yml` describes, whole, as real processes: what its users keep
when any part of it is lost.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.deployment.topology import composition
from tests.deployment.topology.deployment import Deployment, deployed
from tests.deployment.topology.load import Load, running_load, written
from tests.deployment.topology.outages import Outage, outage, table
from tests.deployment.topology.replica import Replica
from tests.indexer.pictures.hostile import encoded, picture, write_good
from tests.waiting import until

REPOSITORY = Path(__file__).parents[2]
LOG = os.environ.get("NOONGIL_TOPOLOGY_LOG")
"""A file that the table of outages is added to."""

PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png")
MORE_PICTURES = 8
QUERIES = ("고양이", "a cat", "커피 한 잔", "a rocket", "우주 비행사")
LIMIT_SECONDS = 240.0

Answers = dict[str, list[tuple[str, float]]]

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.undivided,  # one deployment for all tests
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's 127.0.0.0/8"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of what has names in both languages, small."""
    data = pytest.importorskip("skimage.data", reason="the photos come with scikit-image")
    folder = tmp_path_factory.mktemp("pictures")
    for name in PHOTOS:
        with Image.open(Path(data.__file__).parent / name) as photo:
            photo.thumbnail((256, 256))
            photo.save(folder / name)
    return folder


@pytest.fixture(scope="module")
def deployment(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two replicas of the API; everything is healthy."""
    password = tmp_path_factory.mktemp("secrets") / "database_password"
    password.write_text("it's 50% p@ss:w/rd, 눈길\n", "utf-8")
    dotenv = {
        "NOONGIL_DATABASE_PASSWORD_FILE": str(password),
        "NOONGIL_PICTURES": str(pictures),
        "NOONGIL_API_REPLICAS": "2",
        "OMP_NUM_THREADS": "1",
        "NOONGIL_QUERY_TIMEOUT_SECONDS": "20",  # a busy machine is not what is tested
    }
    described = composition.read(REPOSITORY / "docker-compose.yml", {"cpu"}, dotenv)
    if shutil.which("nginx") is None:
        described = described.without("proxy")
    with deployed(described) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def doors(deployment: Deployment) -> list[str]:
    """Where clients come in: the proxy, or, where there is no nginx, each replica."""
    proxies = [f"http://{each.container.address}:8080" for each in deployment.of("proxy")]
    return proxies or [f"http://{each.container.address}:8000" for each in deployment.of("api")]


@pytest.fixture(scope="module")
def key(deployment: Deployment) -> str:
    """The first, made as an operator makes it."""
    return noongil(deployment.of("api")[0], "keys", "create", "--name", "ops", "--scope", "admin")


@pytest.fixture(scope="module")
def client(doors: list[str], key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"{doors[0]}/v1", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def answers(deployment: Deployment, client: httpx.Client) -> Answers:
    """Of the shop, whose folder an operator has indexed, before anything goes wrong."""
    jobs = deployment.of("jobs-cpu")[0]
    noongil(jobs, "index", jobs.container.told("/pictures"), "--collection", "shop")
    return asked(client)


@pytest.fixture(scope="module")
def load(client: httpx.Client, doors: list[str], key: str, answers: Answers) -> Iterator[Load]:
    """Clients of a shop that is indexed."""
    known = ("고양이", answers["고양이"][0][0])
    assert client.post("/collections", json={"name": "arrivals"}).status_code == 201
    with running_load(doors, key, searched="shop", known=known, filled="arrivals") as load:
        load.wait_until_well(since=0, seconds=60)
        yield load


@pytest.fixture(scope="module")
def outages() -> Iterator[list[Outage]]:
    """Told when all are over."""
    collected: list[Outage] = []
    yield collected
    text = table(collected)
    print(text)  # noqa: T201 - a report, shown by -rA
    if LOG:
        with Path(LOG).open("a", encoding="utf-8") as log:
            log.write(text + "\n")


def test_nobody_is_served_without_a_key(client: httpx.Client) -> None:
    assert httpx.get(client.base_url.join("collections")).status_code == 401
    assert client.get("/collections").status_code == 200


def test_a_folder_is_found_in_both_languages(client: httpx.Client, answers: Answers) -> None:
    assert answers["고양이"][0][0] == answers["a cat"][0][0] == "chelsea.png"
    assert answers["커피 한 잔"][0][0] == "coffee.png"
    assert client.get("/collections/shop").json()["images"] == len(PHOTOS)


def test_an_image_that_was_put_is_found(client: httpx.Client) -> None:
    assert client.post("/collections", json={"name": "put"}).status_code == 201
    file = {"file": encoded(picture(7), "PNG")}
    assert client.put("/collections/put/images/seven", files=file).status_code == 201
    for _ in range(4):  # by every replica
        until(lambda: found(client, "put", "그림") == ["seven"], LIMIT_SECONDS)


def test_a_reindex_is_followed_while_it_runs(client: httpx.Client, answers: Answers) -> None:
    job = started(client)
    with client.stream("GET", f"/admin/jobs/{job}/events") as events:
        said = [line.removeprefix("data: ") for line in events.iter_lines() if line[:5] == "data:"]
    states = [json.loads(data)["state"] for data in said]
    assert states[-1] == "succeeded", said[-1]
    assert len(states) > 1
    assert asked(client) == answers


@pytest.mark.parametrize("service", ["postgres", "encoder-cpu", "api", "proxy"])
def test_whoever_dies_is_back_and_nothing_acknowledged_is_lost(
    deployment: Deployment,
    client: httpx.Client,
    answers: Answers,
    load: Load,
    outages: list[Outage],
    service: str,
) -> None:
    if not deployment.of(service):
        pytest.skip(f"{service}: its program is not installed")
    replica = deployment.of(service)[0]
    with outage(load, replica, "killed") as lost:
        outages.append(lost)
        replica.kill()
    is_door = service == "proxy" or not deployment.of("proxy")
    assert [reason for reason in lost.failed if not is_honest(reason, is_door=is_door)] == []
    assert asked(client) == answers
    require_written(client, load)


def test_readiness_follows_the_database(
    deployment: Deployment, load: Load, outages: list[Outage]
) -> None:
    (postgres,) = deployment.of("postgres")
    those_who_need_it = [*deployment.of("api"), *deployment.of("jobs-cpu")]
    with outage(load, postgres, "stopped and started") as lost:
        outages.append(lost)
        assert postgres.stop(), "it was killed when its grace period was over"
        until(lambda: not any(replica.is_healthy() for replica in those_who_need_it), LIMIT_SECONDS)
        postgres.start()
    for replica in those_who_need_it:
        replica.wait_for("service_healthy")
    assert [reason for reason in lost.failed if not is_honest(reason)] == []


def test_a_job_whose_worker_dies_is_done_by_the_next(
    deployment: Deployment,
    client: httpx.Client,
    load: Load,
    outages: list[Outage],
    pictures: Path,
) -> None:
    names = write_good(pictures, MORE_PICTURES)
    worker = deployment.of("jobs-cpu")[0]
    job = started(client)
    until(lambda: is_in(client, job, "running"), LIMIT_SECONDS)
    with outage(load, worker, "killed in a job") as lost:
        outages.append(lost)
        began = time.monotonic()
        worker.kill()
        until(lambda: is_in(client, job, "succeeded"), LIMIT_SECONDS)
        lost.note = f"the job is done after {time.monotonic() - began:.1f} s"
    assert client.get("/collections/shop").json()["images"] == len(PHOTOS) + len(names)
    assert not lost.failed
    require_written(client, load)


def test_a_replica_that_is_stopped_costs_no_request(
    deployment: Deployment, load: Load, outages: list[Outage]
) -> None:
    if not deployment.of("proxy"):
        pytest.skip("nginx, which leads clients to the other replica, is not installed")
    replica = deployment.of("api")[1]
    with outage(load, replica, f"{replica.service.stop_signal}, started again") as lost:
        outages.append(lost)
        assert replica.stop(), "it was killed when its grace period was over"
        replica.start()
    assert not lost.failed


def test_a_machine_that_restarts_starts_everything_at_once(
    deployment: Deployment,
    client: httpx.Client,
    load: Load,
    outages: list[Outage],
) -> None:
    """Nobody waits for what it depends on then, neither to end nor to start."""
    before = asked(client)
    everyone = [each for each in deployment.replicas if each.is_running]
    with outage(load, everyone[0], "all stopped and started") as lost:
        outages.append(lost)
        with ThreadPoolExecutor(len(everyone)) as machine:
            in_time = list(machine.map(Replica.stop, everyone))
        assert all(in_time), [
            each.name for each, was in zip(everyone, in_time, strict=True) if not was
        ]
        for replica in everyone:
            replica.start()
        for replica in everyone:
            replica.wait_for("service_healthy")
    assert asked(client) == before
    require_written(client, load)


def noongil(replica: Replica, *arguments: str) -> str:
    """What it prints in the replica's container, as `docker compose exec` would run it."""
    ran = replica.container.run(["noongil", *arguments], LIMIT_SECONDS)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def asked(client: httpx.Client) -> Answers:
    found = {}
    for query in QUERIES:
        answer = client.get("/collections/shop/search", params={"q": query, "k": 4})
        assert answer.status_code == 200, answer.text
        found[query] = [(hit["id"], round(hit["score"], 3)) for hit in answer.json()["hits"]]
    return found


def found(client: httpx.Client, collection: str, query: str) -> list[str]:
    """Ids; none where a replica does not know the collection yet."""
    answer = client.get(f"/collections/{collection}/search", params={"q": query})
    return [hit["id"] for hit in answer.json()["hits"]] if answer.is_success else []


def started(client: httpx.Client) -> str:
    """The id of a job that reads the shop's folder again."""
    answer = client.post("/admin/collections/shop/reindex", json={})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def is_in(client: httpx.Client, job: str, state: str) -> bool:
    answer = client.get(f"/admin/jobs/{job}")
    assert answer.status_code == 200, answer.text
    now = answer.json()["state"]
    assert now in {state, "queued", "running"}, answer.text
    return bool(now == state)


def is_honest(reason: str, *, is_door: bool = False) -> bool:
    """A refusal that says to come again; no answer at all, where the door itself is lost."""
    _, _, how = reason.partition(": ")
    return how.startswith("503 ") or (is_door and not how[0].isdigit())


def require_written(client: httpx.Client, load: Load) -> None:
    """Every write that was acknowledged can be read."""
    for number in load.acknowledged("write"):
        assert client.get(f"/collections/arrivals/images/{written(number)}").status_code == 200
