"""How long work tells whoever watches: the terminal today, a job's record later."""

from typing import Protocol

from indexer.errors import RejectReason


class Progress(Protocol):
    """Called by one thread, the one that started the work. What it raises stops the work: what
    was finished by then is kept.
    """

    def start(self, stage: str, total: int | None) -> None:
        """A stage begins; `total` is in the stage's own units, None where it is not known."""
        ...

    def advance(self, steps: int = 1) -> None: ...

    def reject(self, reason: RejectReason) -> None:
        """One more picture was left out. It is counted by `advance` as well."""
        ...


class Silent:
    """Watches nothing."""

    def start(self, stage: str, total: int | None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def reject(self, reason: RejectReason) -> None:
        pass
