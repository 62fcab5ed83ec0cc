"""What things are called in Milvus.

    noongil_<folder>_<version>    the vectors of a version
    noongil_<folder>              an alias of the active one, for other clients and for operators

`folder` is the collection's, which no other collection ever has. Milvus knows letters, digits and
underscores.
"""

import re

_OTHER = re.compile("[^0-9A-Za-z_]")
_VERSION = re.compile(r"\d{8}T\d{6}_[0-9a-f]{6}")


def alias_of(folder: str) -> str:
    return f"noongil_{_OTHER.sub('_', folder)}"


def name_of(folder: str, version: str) -> str:
    return f"{alias_of(folder)}_{_OTHER.sub('_', version)}"


def is_of(folder: str, collection: str) -> bool:
    """Whether a collection of Milvus is a version of the collection with that folder."""
    prefix = f"{alias_of(folder)}_"
    rest = collection.removeprefix(prefix)
    return collection.startswith(prefix) and _VERSION.fullmatch(rest) is not None
