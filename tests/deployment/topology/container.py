"""One replica of a service: an address, files, an environment, and programs that run among them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PROGRAMS = Path(sys.prefix) / "bin"


class Container:
    """What is said in paths and addresses of the container is `told` in this machine's."""

    def __init__(
        self,
        name: str,
        address: str,
        folder: Path,
        paths: Mapping[str, Path],
        environment: Mapping[str, str],
        addressed: Callable[[str], str],
        group: int,
    ) -> None:
        """`paths`: where what the container sees really lies; `addressed` translates addresses;
        `group`: of all its processes.
        """
        self.name = name
        self.address = address
        self.folder = folder
        self.log = folder / "log"
        self.user: str | None = None
        """Whose processes run in it; None: whoever runs the tests."""
        self._paths = dict(paths)
        self._addressed = addressed
        self._group = group
        self.environment = {
            "PATH": f"{_PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            **{name: self.told(value) for name, value in environment.items()},
        }

    def path(self, inside: str) -> Path:
        return Path(self._moved(inside))

    def move(self, inside: str, path: Path) -> None:
        """What the container sees there lies somewhere else now."""
        self._paths[inside] = path

    def told(self, text: str) -> str:
        return self._moved(self._addressed(text))

    def start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Its output is added to `log`."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.folder,
                user=self.user,
                process_group=self._group,
            )

    def run(
        self, command: Sequence[str], seconds: float, stdin: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Beside its main process, to the end. Raises TimeoutExpired."""
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            user=self.user,
            process_group=self._group,
            timeout=seconds,
            check=False,
        )

    def last_words(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"{self.name}:", *text.splitlines()[-lines:]])

    def _moved(self, text: str) -> str:
        """Longer paths first: /tmp/cache is not within what /tmp is."""
        if not self._paths:
            return text
        inside = "|".join(re.escape(path) for path in sorted(self._paths, key=len, reverse=True))
        pattern = rf"(?<![\w./-])(?:{inside})(?![\w.-])"
        return re.sub(pattern, lambda found: str(self._paths[found[0]]), text)
