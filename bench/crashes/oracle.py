"""What a client may expect of each image, from what it asked for and what it was answered.

A write that was answered has happened. One that was not has happened wholly or not at all, until
the client, who asks again, is answered.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from bench.crashes.pictures import cosine

Attributes = Mapping[str, Any]

_TOLERANCE = 5e-3
"""Of a cosine: vectors are kept as float16."""


@dataclass(frozen=True)
class Put:
    """`attributes` None: those that the image has stay."""

    key: str
    picture: int
    attributes: Attributes | None


@dataclass(frozen=True)
class Patch:
    key: str
    attributes: Attributes


@dataclass(frozen=True)
class Delete:
    key: str


Write = Put | Patch | Delete


@dataclass(frozen=True)
class State:
    """`picture` None: there is no such image."""

    picture: int | None = None
    attributes: Attributes = field(default_factory=dict)
    was_deleted: bool = False

    def after(self, write: Write) -> tuple["State", int]:
        """And the HTTP status that says so. The same write again changes nothing more."""
        match write:
            case Put(_, picture, given):
                status = 201 if self.picture is None else 200
                kept = self.attributes if given is None else given
                return State(picture, kept, self.was_deleted), status
            case Patch(_, given):
                if self.picture is None:
                    return self, 404
                merged = {**self.attributes, **given}
                kept = {name: value for name, value in merged.items() if value is not None}
                return State(self.picture, kept, self.was_deleted), 200
            case Delete():
                if self.picture is None and not self.was_deleted:
                    return self, 404
                return State(was_deleted=True), 204
        assert_never(write)

    def is_shown_by(self, hit: Mapping[str, Any] | None, query: int) -> bool:
        """Whether a search for a picture that finds everything may answer so; None: not found."""
        if hit is None or self.picture is None:
            return hit is None and self.picture is None
        is_near = abs(hit["score"] - cosine(query, self.picture)) < _TOLERANCE
        return is_near and hit["attributes"] == self.attributes


@dataclass(frozen=True)
class Expected:
    states: tuple[State, ...]
    """Several where a write was not answered: any of them. None: whatever there is."""
    since: float = field(default_factory=time.monotonic)


class Oracle:
    """Each key is one thread's to write; all may look."""

    def __init__(self, states: Mapping[str, State]) -> None:
        self._expected = {key: Expected((state,)) for key, state in states.items()}
        self._before: dict[str, tuple[State, ...]] = {}
        """What may have been before the last write of each key was asked for the last time."""

    def __getitem__(self, key: str) -> Expected:
        return self._expected[key]

    @property
    def keys(self) -> list[str]:
        return list(self._expected)

    def all(self) -> dict[str, Expected]:
        return dict(self._expected)

    def begin(self, write: Write) -> None:
        """It is about to be asked for, or asked for again."""
        states = self._before[write.key] = self._expected[write.key].states
        possible = _distinct([*states, *(state.after(write)[0] for state in states)])
        if possible != states:
            self._expected[write.key] = Expected(possible)

    def acknowledge(self, write: Write, status: int) -> str | None:
        """It was answered; what is wrong with the answer."""
        states = self._before[write.key]
        results = [state.after(write) for state in states]
        answered = [state for state, expected in results if expected == status]
        after = _distinct(answered or [state for state, _ in results])
        self._expected[write.key] = Expected(after)
        if not answered:
            return f"{write} was answered {status}, of {states}"
        return None


def listing_faults(
    hits: Sequence[Mapping[str, Any]], expected: Mapping[str, Expected], query: int
) -> Iterator[str]:
    """What is wrong with all that a search for a picture finds."""
    for key, count in Counter(hit["id"] for hit in hits).items():
        if count > 1:
            yield f"{key} is found {count} times"
    found = {hit["id"]: hit for hit in hits}
    yield from (f"{key} is found, and nobody put it" for key in found.keys() - expected.keys())
    for key, expects in expected.items():
        if expects.states and not any(
            state.is_shown_by(found.get(key), query) for state in expects.states
        ):
            yield _difference(key, found.get(key), expects, query)


def _difference(key: str, hit: Mapping[str, Any] | None, expects: Expected, query: int) -> str:
    shown = "not found" if hit is None else f"{hit['score']}, {hit['attributes']}"
    states = " or ".join(_shown(state, query) for state in expects.states)
    age = time.monotonic() - expects.since
    return f"{key} is {shown}; expected for {age:.1f} s: {states}"


def _shown(state: State, query: int) -> str:
    if state.picture is None:
        return "not found"
    return f"{cosine(query, state.picture):.6f}, {state.attributes} (picture {state.picture})"


def _distinct(states: Iterable[State]) -> tuple[State, ...]:
    found: list[State] = []
    for state in states:
        if state not in found:
            found.append(state)
    return tuple(found)
