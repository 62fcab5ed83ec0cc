"""The API answers whatever is sent as its description says: by Schemathesis, over a socket.

`FUZZ_SECONDS=300 pytest tests/app/api/test_fuzzed.py` goes on for so long, and follows links.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.app.api.wardrobe import wardrobe

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))

BRIEF = ("--phases=coverage,fuzzing", "--max-examples=5")
BRIEF_WITH_KEYS = ("--phases=fuzzing", "--max-examples=10")
LONG = ("--phases=examples,coverage,fuzzing,stateful", f"--max-time={SECONDS}")


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("keys", [False, True], ids=["open", "keys"])
def test_every_answer_is_as_documented(
    settings: Settings, photos: Path, tmp_path: Path, *, keys: bool
) -> None:
    brief = BRIEF_WITH_KEYS if keys else BRIEF
    with wardrobe(settings, photos, keys=keys) as client:
        run = subprocess.run(
            [*fuzzer(client, keys=keys), *(LONG if SECONDS else brief)],
            cwd=tmp_path,
            env={**os.environ, **environment(keys=keys)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout + run.stderr


def fuzzer(client: httpx.Client, *, keys: bool) -> list[str]:
    command = [str(Path(sys.executable).with_name("st"))]
    command += [f"--config-file={HERE / 'fuzzing.toml'}", "run", f"{client.base_url}/openapi.json"]
    # Events go on until the job is over: an answer without an end.
    command += ["--exclude-path-regex=/events$", "--seed=1", "--no-color"]
    if keys:
        command += [f"--header=Authorization: {client.headers['Authorization']}"]
        # The one key that everything is asked with would be revoked.
        command += ["--exclude-operation-id=keys_revoke", "--exclude-operation-id=keys_rotate"]
    return command


def environment(*, keys: bool) -> dict[str, str]:
    hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "fuzzing_hooks.py")}
    return hooks if keys else {**hooks, "FUZZED_WITHOUT_KEYS": "1"}
