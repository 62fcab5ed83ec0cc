"""The tables of the query log: how many asked for what, and never who."""

from datetime import date

from sqlalchemy import Date, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from indexer.catalog.tables import Base

MAX_TEXT = 160
"""Characters: a term's 40, of which folding makes three each at most."""


class QueryCount(Base):
    """How many clients asked a collection for a text on a day (UTC)."""

    __tablename__ = "query_log"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    text: Mapped[str] = mapped_column(String(MAX_TEXT), primary_key=True)
    """Folded, as app.suggest.keys does."""
    clients: Mapped[int]


class QueryMark(Base):
    """That some client asked for some text on a day: it counts once. Gone when the day is over."""

    __tablename__ = "query_log_marks"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    mark: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    """Of text and client together, keyed with the day's salt: two texts of one client have nothing
    in common.
    """


class QuerySalt(Base):
    """What a day's marks are keyed with, in all processes. Gone when the day is over: nobody can
    say any more whose they were.
    """

    __tablename__ = "query_log_salts"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
