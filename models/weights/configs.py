"""Configurations that come with weights: data, and never code."""

import json
from pathlib import Path
from typing import Any

from models.errors import ModelUnavailable

_UNHEARD = {
    "_name_or_path",
    "name_or_path",
    "transformers_version",
    "_commit_hash",
    "architectures",
}
"""Fields that say where a configuration comes from, and nothing about a vector."""


def read_config(path: Path) -> dict[str, Any]:
    """Raises ModelUnavailable for a file that is missing, no JSON object, or names code to run."""
    try:
        config = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelUnavailable(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ModelUnavailable(f"{path} is damaged: {error}") from error
    if not isinstance(config, dict):
        raise ModelUnavailable(f"{path} holds no configuration")
    if _has_key(config, "auto_map"):
        raise ModelUnavailable(f"{path} asks to run code of its own (auto_map), which is not done")
    return config


def same_for_all(path: Path) -> str:
    """What a configuration says, without the order and the place in which it says it."""
    kept = {key: value for key, value in read_config(path).items() if key not in _UNHEARD}
    return json.dumps(kept, sort_keys=True)


def _has_key(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(item, key) for item in value.values())
    return isinstance(value, list) and any(_has_key(item, key) for item in value)
