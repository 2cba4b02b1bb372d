"""`doorward keys`: the keys that sign the JWTs of an API server, for its operator.

The operator is whoever reaches the private listener. No login is sent there.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import click
import msgspec

from cli.addresses import DEFAULT_PRIVATE_LISTENER, server_address
from cli.answers import Problem, decode
from cli.client import Answer, open_client
from cli.errors import CliError
from cli.invocation import Invocation, examples, json_option, print_json, yes_option
from cli.replies import Credential, Told, reason_of, told

_HEADINGS: Final = ("State", "Signs from", "Made", "Key id")


class _SigningKey(msgspec.Struct, frozen=True):
    kid: str
    state: str
    created_at: datetime
    signs_from: datetime


class _SigningKeys(msgspec.Struct, frozen=True):
    items: tuple[_SigningKey, ...]


def _listener_option() -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(
        "--server",
        metavar="URL",
        envvar="DOORWARD_PRIVATE_SERVER",
        show_envvar=True,
        default=DEFAULT_PRIVATE_LISTENER,
        show_default=True,
        help="The private listener of the API server (PRIVATE_LISTEN).",
    )


@click.group(epilog=examples("doorward keys list", "doorward keys rotate"))
def keys() -> None:
    """Look after the keys that sign JWTs, as the operator of the API server."""


@keys.command(
    "list",
    epilog=examples("doorward keys list", "doorward keys list --json | jq -r '.items[].kid'"),
)
@_listener_option()
@json_option()
@click.pass_obj
def list_keys(invocation: Invocation, *, server: str, as_json: bool) -> None:
    """List the signing keys, in the order in which they sign."""
    listener = server_address(server)
    with open_client() as client:
        told_keys = _told(client.get(f"{listener}/signing-keys"), listener)
    _show(invocation, told_keys, as_json=as_json)


@keys.command(
    epilog=examples("doorward keys rotate", "doorward keys rotate --compromised --yes"),
)
@_listener_option()
@click.option(
    "--compromised",
    is_flag=True,
    help="A key has leaked: withdraw all keys with all that they signed; a new one signs at once.",
)
@yes_option()
@json_option()
@click.pass_obj
def rotate(invocation: Invocation, *, server: str, compromised: bool, yes: bool, as_json: bool) -> None:
    """Make the next signing key.

    It is published now, and signs some minutes later, once everybody who verifies JWTs knows it. The one
    before it stays published until the last JWT that it signed is gone.
    """
    listener = server_address(server)
    if compromised and not yes:
        invocation.confirm("All JWTs that are out are refused from now on. Withdraw all keys?")
    with open_client() as client:
        answer = client.post_json(f"{listener}/signing-keys/rotate", {"compromised": compromised})
    _show(invocation, _told(answer, listener), as_json=as_json)


def _told(answer: Answer, listener: str) -> Told[_SigningKeys]:
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError(
            f"{listener} has no signing keys.",
            "Check --server: it must be the PRIVATE_LISTEN address of the API server.",
        )
    if answer.status == HTTPStatus.FORBIDDEN:
        problem = decode(answer.body, Problem) or Problem()
        raise CliError(f"{listener} refused: {reason_of(answer, problem)}")
    return told(answer, listener, _SigningKeys, Credential.NONE)


def _show(invocation: Invocation, told_keys: Told[_SigningKeys], *, as_json: bool) -> None:
    if as_json:
        print_json(told_keys.document)
        return
    items = told_keys.value.items
    rows = [(key.state, _time(key.signs_from), _time(key.created_at), key.kid) for key in items]
    invocation.output.show_table(_HEADINGS, rows)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds")
