"""Asking a shop, and what it answers."""

from typing import Any

import httpx
from fastapi.testclient import TestClient

URL = "/v1/collections/shop/search"


def post(client: TestClient, **request: object) -> httpx.Response:
    return client.post(URL, json=request)


def ask(client: TestClient, **request: object) -> dict[str, Any]:
    response = post(client, **request)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(client: TestClient, **request: object) -> list[str]:
    return [hit["id"] for hit in ask(client, **request)["hits"]]


def pages(client: TestClient, **request: object) -> list[list[str]]:
    """The ids of all pages, one after the other."""
    answer = ask(client, **request)
    found = [[hit["id"] for hit in answer["hits"]]]
    while answer["next_cursor"] is not None:
        answer = ask(client, **request, cursor=answer["next_cursor"])
        found.append([hit["id"] for hit in answer["hits"]])
    return found
