"""Is a service ready? `python ready.py URL` exits with 0 if URL answers 200, else with 1.

A container's health check: it starts every few seconds, so it imports the standard library alone.
"""  # noqa: INP001 - a script, of no package

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

_SECONDS = 2.5


def refusal(url: str) -> str | None:
    """Why the service is not ready; None if it is."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_SECONDS) as response:
            return None if response.status == 200 else f"status {response.status}"
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(refusal(sys.argv[1]))
