"""What a user of the command line can mend is one line, not a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.console import console
from app.errors import Problem, reason_of
from indexer.errors import IndexerError
from models.errors import ModelError


@contextmanager
def one_line_failures() -> Iterator[None]:
    """Exit with 1 and a line on standard error for every failure that has a known cause."""
    try:
        yield
    except (IndexerError, ModelError, Problem, OSError) as error:
        _fail(str(error))
    except DBAPIError as error:  # its own text holds the statement and its parameters
        _fail(f"the database: {error.orig}")
    except SQLAlchemyError as error:
        _fail(f"the database: {error}")
    except ValidationError as error:
        _fail("; ".join(_setting_problem(item) for item in error.errors()))
    except SettingsError as error:
        _fail(f'{error}: lists are JSON, as in ["a", "b"]')


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split())
    console.print(f"error: {line}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


def _setting_problem(item: ErrorDetails) -> str:
    return f"NOONGIL_{'__'.join(map(str, item['loc'])).upper()}: {reason_of(item)}"
