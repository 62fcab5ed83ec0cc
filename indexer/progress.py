"""How long work tells whoever watches: the terminal today, a job's record later."""

from typing import Protocol


class Progress(Protocol):
    def start(self, stage: str, total: int | None) -> None:
        """A stage begins; `total` is in the stage's own units, None where it is not known."""
        ...

    def advance(self, steps: int = 1) -> None: ...


class Silent:
    """Watches nothing."""

    def start(self, stage: str, total: int | None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass
