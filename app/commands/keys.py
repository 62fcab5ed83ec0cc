"""`noongil keys create|list|revoke|rotate`: who may call the API."""

from datetime import timedelta
from typing import Annotated

import typer
from pydantic import ValidationError

from app.auth import service
from app.auth.schemas import (
    GRACE_HOURS,
    MAX_GRACE_HOURS,
    MAX_LIFETIME,
    MAX_REQUESTS_PER_MINUTE,
    CreatedKey,
    KeyView,
    NewKey,
    ScopeName,
)
from app.catalog import open_catalog
from app.commands.arguments import AsJson
from app.config import Settings
from app.console import console, print_json, print_table
from app.errors import reason_of
from indexer.catalog.tables import now

keys_cli = typer.Typer(help="Keys to the API.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, see `keys list`.")]


@keys_cli.command()
def create(
    name: Annotated[str, typer.Option(help="Who or what will use it.")],
    scope: Annotated[ScopeName, typer.Option(help="What it may do; each holds those before it.")],
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=MAX_LIFETIME.days - 1, help="Default: never.")
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_REQUESTS_PER_MINUTE, help="0: any; default: as the settings say."
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: the only time that it is shown."""
    try:
        new = NewKey(
            name=name,
            scope=scope,
            expires_at=now() + timedelta(days=expires_days) if expires_days else None,
            requests_per_minute=requests_per_minute,
        )
    except ValidationError as error:
        raise typer.BadParameter(reason_of(error.errors()[0]), param_hint="--name") from None
    _print_created(service.create(open_catalog(Settings()), new), as_json=as_json)


@keys_cli.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """All keys, oldest first; never the secrets."""
    keys = service.list_all(open_catalog(Settings()))
    if as_json:
        print_json([key.model_dump(mode="json") for key in keys])
        return
    print_table(
        ["id", "name", "scope", "requests a minute", "created", "expires"],
        [
            [key.id, key.name, key.scope, _limit(key), f"{key.created_at:%Y-%m-%d}", _end(key)]
            for key in keys
        ],
    )


@keys_cli.command()
def revoke(key_id: KeyId) -> None:
    """End a key: every server refuses it at its next look, within a second."""
    service.revoke(open_catalog(Settings()), key_id)
    console.print(f"key {key_id} is revoked")


@keys_cli.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[
        float,
        typer.Option(min=0, max=MAX_GRACE_HOURS, help="How long the old one still works."),
    ] = GRACE_HOURS,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key that takes another's place, and print it; both work for a while."""
    grace = timedelta(hours=grace_hours)
    rotated = service.rotate(open_catalog(Settings()), key_id, grace)
    _print_created(rotated, as_json=as_json)
    if grace_hours:
        console.print(f"key {key_id} goes on working until {_end(rotated.replaces)}")
    else:
        console.print(f"key {key_id} works no more")


def _print_created(created: CreatedKey, *, as_json: bool) -> None:
    """Nothing but the key or the JSON on standard output: a script may read it from there."""
    if as_json:
        print_json(created.model_dump(mode="json"))
    else:
        print(created.key)  # noqa: T201
    console.print(f"key {created.id} of scope {created.scope}: keep it, it is not shown again")


def _limit(key: KeyView) -> str:
    return {None: "as set", 0: "any"}.get(key.requests_per_minute, str(key.requests_per_minute))


def _end(key: KeyView) -> str:
    if key.expires_at is None:
        return "never"
    past = " (expired)" if key.expires_at <= now() else ""
    return f"{key.expires_at:%Y-%m-%d %H:%M} UTC{past}"
