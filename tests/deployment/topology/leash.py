"""All processes of a deployment end with the one that started them, however that ends."""

import subprocess
import sys

_GROUP_ENDS_WITH_INPUT = "import os, sys; sys.stdin.read(); os.killpg(0, 9)"


class Leash:
    """A process group. Its leader waits for the end of its input, which the system closes where
    nobody else does, and kills the group.
    """

    def __init__(self) -> None:
        self._leader = subprocess.Popen(
            [sys.executable, "-ISc", _GROUP_ENDS_WITH_INPUT],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        self.group = self._leader.pid

    def close(self) -> None:
        assert self._leader.stdin is not None
        self._leader.stdin.close()
        self._leader.wait()
