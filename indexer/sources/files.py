"""Files of this machine, compressed or not."""

import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from indexer.errors import Rejected, RejectReason

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file raises, a compressed one included."""

# O_NONBLOCK: opening a pipe that nobody writes to would never end.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path) -> BinaryIO:
    """Raises OSError; Rejected, not_a_file, for pipes, sockets and devices, which may not end."""
    file = os.fdopen(os.open(path, _FLAGS), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Rejected(RejectReason.NOT_A_FILE, "not a regular file")
    return file


def unpacked(file: BinaryIO, *, compressed: bool) -> BinaryIO:
    """`file`, or what gzip has packed into it. Reading raises UNREADABLE."""
    found = gzip.GzipFile(fileobj=file) if compressed else file
    return cast("BinaryIO", found)
