"""What a process keeps in memory, as Linux counts it, and processes that begin with nothing.

Anonymous memory is what only this process holds and the kernel cannot drop; pages of mapped
files are copies of what lies on disk, and go when memory is short.
"""

import ctypes
import multiprocessing
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

_SAMPLE_SECONDS = 0.02
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)")


def in_fresh_process(
    function: Callable[Given, Result], *arguments: Given.args, **named: Given.kwargs
) -> Result:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments, **named).result()


def anonymous_bytes() -> int:
    """Without what was freed and not yet given back: it would hide what is taken next."""
    ctypes.CDLL(None).malloc_trim(0)
    return _status("RssAnon")


def mapped_bytes(folder: Path) -> dict[str, int]:
    """Resident pages of the files that lie below `folder`, by name."""
    resident: Counter[str] = Counter()
    path, folder = Path(), folder.resolve()
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if mapping := _MAPPING.fullmatch(line):
            path = Path(mapping[1])
        elif line.startswith("Rss:") and folder in path.parents:
            resident[path.name] += _kilobytes(line)
    return dict(resident)


@dataclass
class PeakMemory:
    anonymous: int = 0
    """The most that the process held while it was watched, beyond what it held before."""
    with_files: int = 0
    """The most that it ever held, pages of mapped files included."""


@contextmanager
def watched() -> Iterator[PeakMemory]:
    """Known when the block is over."""
    peak, before, over = PeakMemory(), anonymous_bytes(), threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            peak.anonymous = max(peak.anonymous, _status("RssAnon") - before)

    watch = threading.Thread(target=sample)
    watch.start()
    try:
        yield peak
    finally:
        over.set()
        watch.join()
        peak.with_files = _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return _kilobytes(next(line for line in lines if line.startswith(f"{name}:")))


def _kilobytes(line: str) -> int:
    return 1024 * int(line.split()[1])
