"""Lines that programs can read, that people can read, and that give nothing away."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app import logs
from app.auth.token import new_token
from app.suggest.tables import QueryCount
from indexer.catalog.db import Database
from models.request_id import REQUEST_ID
from tests.app.servers import ROOT


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(logs._add_context)
    handler.setFormatter(formatter)
    logger = logging.Logger("test")  # noqa: LOG001 - of no other test
    logger.addHandler(handler)
    yield logger, stream


@given(st.text())
def test_any_message_is_one_object_on_one_line(message: str) -> None:
    with written(logs._Json()) as (logger, stream):
        logger.info("%s", message)
    line = stream.getvalue()
    assert line.count("\n") == 1
    told = json.loads(line)
    assert told["message"] == logs.without_secrets(message)
    assert told["time"].endswith("Z")
    assert (told["level"], told["logger"]) == ("INFO", "test")


def test_korean_is_written_as_it_is_and_an_exception_is_one_field() -> None:
    with written(logs._Json()) as (logger, stream):
        try:
            int("잘못된 값")
        except ValueError:
            logger.exception("실패", extra={"collection": "신발"})
    line = stream.getvalue()
    assert "실패" in line
    assert "신발" in line
    told = json.loads(line)
    assert told["exception"].startswith("Traceback")
    assert "잘못된 값" in told["exception"]
    assert told["collection"] == "신발"


@pytest.mark.parametrize("formatter", [logs._Text, logs._Json])
def test_lines_name_the_request_and_the_job(formatter: type[logging.Formatter]) -> None:
    token = REQUEST_ID.set("order-7")
    try:
        with written(formatter()) as (logger, stream), logs.marked(job_id="j1"):
            logger.info("one")
    finally:
        REQUEST_ID.reset(token)
    assert "order-7" in stream.getvalue()
    assert "j1" in stream.getvalue()
    with written(formatter()) as (logger, stream):
        logger.info("two")
    assert "request_id" not in stream.getvalue()
    assert "job_id" not in stream.getvalue()


@given(st.text("abc:/@ \"'", max_size=30), st.sampled_from(["key", "url"]))
def test_no_secret_is_written_whatever_stands_around_it(around: str, kind: str) -> None:
    token = new_token()
    secret = token.secret.decode()
    told = str(token) if kind == "key" else f"postgresql://noongil:{secret}@db/noongil"
    with written(logs._Json()) as (logger, stream):
        logger.info("%s%s %s", around, told, around)
    assert secret not in stream.getvalue()
    assert json.loads(stream.getvalue())


def test_a_password_may_hold_a_slash() -> None:
    """As SQLAlchemy reads it."""
    told = logs.without_secrets("postgresql://noongil:half/half@db/noongil")
    assert told == "postgresql://noongil:…@db/noongil"


@pytest.mark.parametrize("of", ["v1, by a@b.example", "v1/a@2x.png"])
def test_what_is_no_secret_stays(of: str) -> None:
    line = f"embedding_cache_size of http://127.0.0.1:8000/{of}"
    assert logs.without_secrets(line) == line


def test_no_message_passes_for_a_line_of_its_own() -> None:
    """A caller names pictures and sources, and errors quote them."""
    with written(logs._Text()) as (logger, stream):
        named = "a.png\n2026-11-22 00:00:00,000 CRITICAL app: forged\x1b[2J\r"
        logger.error("failed: %s", named, exc_info=ValueError(named))
    first, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert first.endswith("failed: a.png")
    assert all(line.startswith("\t") for line in others)
    assert not {"\x1b", "\r"} & set(stream.getvalue())


def test_a_database_that_fails_does_not_quote_what_was_asked(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(SQLAlchemyError) as failed, database.read() as session:
        session.execute(select(QueryCount).where(QueryCount.text == "비밀 선물"))
    database.close()
    assert "no such table" in str(failed.value)
    assert "비밀 선물" not in str(failed.value)


def run(code: str, folder: Path) -> list[dict[str, str]]:
    """What a process with JSON logs says."""
    setup = "from app import logs; from app.config import Settings;"
    setup += "logs.configure(Settings(log_format='json'));"
    ran = subprocess.run(
        [sys.executable, "-c", setup + code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_what_is_said_to_people_and_what_nobody_caught_are_objects_too(tmp_path: Path) -> None:
    said = run(
        "import warnings; from app.console import console\n"
        "console.print('\\n[bold]준비[/bold]: http://127.0.0.1\\n')\n"
        "console.print('error: there is none', markup=False)\n"
        "warnings.warn('old', stacklevel=1)\n"
        "class Dying:\n"
        "    def __del__(self): raise OSError('closed')\n"
        "Dying()\n"
        "raise RuntimeError('gone')\n",
        tmp_path,
    )
    assert [(line["level"], line["message"]) for line in said[:2]] == [
        ("INFO", "준비: http://127.0.0.1"),
        ("ERROR", "error: there is none"),
    ]
    assert "old" in said[2]["message"]
    assert said[3]["message"] == "ignored in Dying.__del__: OSError('closed')"
    assert "OSError: closed" in said[3]["exception"]
    assert said[4]["level"] == "CRITICAL"
    assert "RuntimeError: gone" in said[4]["exception"]
