"""Where pictures are read, decoded and encoded: in this process and those it starts, or on a
cluster. What is scanned, and what is written, is one and the same.
"""

from enum import StrEnum


class DriverName(StrEnum):
    LOCAL = "local"
    RAY = "ray"
