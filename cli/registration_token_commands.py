"""`doorward registration-token`: make, look at, rotate and end what lets devices join."""

import shlex
from datetime import datetime, timedelta
from typing import Final

import click
import msgspec

from cli.client import open_client
from cli.facts import TOKEN_HEADINGS, facts_of_minted, facts_of_token, row_of_token
from cli.invocation import (
    Duration,
    Invocation,
    examples,
    json_option,
    print_json,
    server_option,
    tenant_option,
    yes_option,
)
from cli.registration_tokens import (
    CHOICES,
    AskedToken,
    DevicesChoice,
    MintedToken,
    RegistrationToken,
    RegistrationTokens,
    Revocation,
)
from cli.replies import Told
from cli.tenants import tenant_id_of

DEFAULT_LIFETIME: Final = timedelta(days=7)


class _AskedOptions(msgspec.Struct, frozen=True):
    """What stands on the command line of `create`."""

    label: str
    max_uses: int | None
    single_use: bool
    expires_in: timedelta | None
    never_expires: bool
    taint: tuple[str, ...]
    pre_approved: bool
    ephemeral: timedelta | None
    tenant: str | None
    as_json: bool


class _RevokeOptions(msgspec.Struct, frozen=True):
    """What stands on the command line of `revoke`."""

    token: str
    devices: DevicesChoice
    dry_run: bool
    yes: bool
    tenant: str | None
    as_json: bool


@click.group(
    "registration-token",
    epilog=examples(
        "doorward registration-token create --label lab --max-uses 20 --expires-in 12h",
        "doorward registration-token list",
        "doorward registration-token revoke lab --devices suspend --dry-run",
    ),
)
def registration_token() -> None:
    """Make and end the tokens by which devices join a tenant."""


@registration_token.command(
    epilog=examples(
        "doorward registration-token create --label laptop --single-use",
        "doorward registration-token create --label ci --taint ci --ephemeral 10m --never-expires",
        "doorward registration-token create --label lab --tenant acme > token; chmod 600 token",
    )
)
@server_option()
@tenant_option()
@click.option("--label", required=True, help="What you will know it by.")
@click.option(
    "--max-uses",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many devices may join; default: any number.",
)
@click.option("--single-use", is_flag=True, help="The same as --max-uses 1.")
@click.option("--expires-in", type=Duration(), metavar="7d", help="How long it can be used; default: 7d.")
@click.option("--never-expires", is_flag=True, help="It can be used until it is revoked.")
@click.option("--taint", multiple=True, help="Every device gets this taint. May be repeated.")
@click.option(
    "--pre-approved", is_flag=True, help="Devices are active at once, where the tenant asks for approval."
)
@click.option("--ephemeral", type=Duration(), metavar="10m", help="Devices leave after so long a silence.")
@json_option()
@click.pass_obj
def create(invocation: Invocation, /, **options: object) -> None:
    """Make a registration token. It is shown this once.

    On a terminal with the command line that uses it; elsewhere alone on stdout.
    """
    chosen = msgspec.convert(options, _AskedOptions)
    server = invocation.server()
    with open_client() as client:
        api = invocation.user_api(client, server)
        tenant_id = tenant_id_of(api, chosen.tenant)
        asked = _asked_token(chosen, tenant_id, invocation.parts.clock.now())
        minted = RegistrationTokens(api, tenant_id).create(asked, invocation.parts.randomness)
    _show_minted(invocation, server, minted, as_json=chosen.as_json)


@registration_token.command(
    "list",
    epilog=examples(
        "doorward registration-token list --tenant acme",
        "doorward registration-token list --json | jq -r '.items[].label'",
    ),
)
@server_option()
@tenant_option()
@json_option()
@click.pass_obj
def list_tokens(invocation: Invocation, *, tenant: str | None, as_json: bool) -> None:
    """List the registration tokens of a tenant, the newest first."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tokens = list(RegistrationTokens(api, tenant_id_of(api, tenant)).each())
    if as_json:
        print_json({"items": [token.document for token in tokens]})
    elif tokens:
        invocation.output.show_table(TOKEN_HEADINGS, [row_of_token(token.value) for token in tokens])
    else:
        invocation.output.say("There are no registration tokens.")


@registration_token.command(
    epilog=examples("doorward registration-token show lab", "doorward registration-token show lab --json")
)
@server_option()
@tenant_option()
@click.argument("token", metavar="ID|LABEL")
@json_option()
@click.pass_obj
def show(invocation: Invocation, *, token: str, tenant: str | None, as_json: bool) -> None:
    """Show one registration token, without its secret."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        found = RegistrationTokens(api, tenant_id_of(api, tenant)).find(token)
    if as_json:
        print_json(found.document)
    else:
        invocation.output.show_facts(facts_of_token(found.value))


@registration_token.command(
    epilog=examples(
        "doorward registration-token rotate lab", "doorward registration-token rotate lab > token"
    )
)
@server_option()
@tenant_option()
@click.argument("token", metavar="ID|LABEL")
@json_option()
@click.pass_obj
def rotate(invocation: Invocation, *, token: str, tenant: str | None, as_json: bool) -> None:
    """Give a registration token a new secret, which is shown this once.

    The former secret holds until the new one is first used.
    """
    server = invocation.server()
    with open_client() as client:
        api = invocation.user_api(client, server)
        tokens = RegistrationTokens(api, tenant_id_of(api, tenant))
        minted = tokens.rotate(tokens.find(token).value)
    _show_minted(invocation, server, minted, as_json=as_json)


@registration_token.command(
    epilog=examples(
        "doorward registration-token revoke lab",
        "doorward registration-token revoke lab --devices revoke --dry-run",
        "doorward registration-token revoke lab --devices suspend --yes",
    )
)
@server_option()
@tenant_option()
@click.argument("token", metavar="ID|LABEL")
@click.option(
    "--devices",
    type=click.Choice(CHOICES),
    default="keep",
    show_default=True,
    help="What becomes of the devices that it enrolled.",
)
@click.option("--dry-run", is_flag=True, help="Only say how many devices it would be.")
@yes_option()
@json_option()
@click.pass_obj
def revoke(invocation: Invocation, /, **options: object) -> None:
    """End a registration token for ever, and choose what becomes of its devices."""
    chosen = msgspec.convert(options, _RevokeOptions)
    devices = chosen.devices
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tokens = RegistrationTokens(api, tenant_id_of(api, chosen.tenant))
        found = tokens.find(chosen.token).value
        if not chosen.dry_run and not chosen.yes:
            foreseen = tokens.revoke(found, devices, dry_run=True).value.devices.count
            invocation.confirm(
                f"Revoke the registration token {found.label}, and {_what_becomes(devices, foreseen)}?"
            )
        done = tokens.revoke(found, devices, dry_run=chosen.dry_run)
    if chosen.as_json:
        print_json(done.document)
    else:
        invocation.output.say(_what_was_done(found, devices, done.value, dry_run=chosen.dry_run))


def _asked_token(options: _AskedOptions, tenant_id: str | None, now: datetime) -> AskedToken:
    if options.single_use and options.max_uses is not None:
        raise click.UsageError("--single-use and --max-uses exclude each other.")
    if options.never_expires and options.expires_in is not None:
        raise click.UsageError("--never-expires and --expires-in exclude each other.")
    lifetime = options.expires_in or DEFAULT_LIFETIME
    return AskedToken(
        label=options.label,
        tenant_id=tenant_id,
        max_uses=1 if options.single_use else options.max_uses,
        expires_at=None if options.never_expires else now + lifetime,
        taints=options.taint,
        pre_approved=options.pre_approved,
        ephemeral_s=None if options.ephemeral is None else int(options.ephemeral.total_seconds()),
    )


def _show_minted(invocation: Invocation, server: str, minted: Told[MintedToken], *, as_json: bool) -> None:
    secret = minted.value.token
    if as_json:
        print_json(minted.document)
    elif invocation.output.is_terminal:
        invocation.output.show_panel("Registration token", facts_of_minted(minted.value))
        invocation.output.say("The token is shown this once. On the machine that joins:")
        invocation.output.say("")
        invocation.output.say(f"doorward enroll --server {shlex.quote(server)} --token {secret}")
    else:
        click.echo(secret)


def _what_becomes(devices: DevicesChoice, count: int) -> str:
    which = f"the {_devices(count)} that it enrolled"
    return f"keep {which}" if devices == "keep" else f"{devices} {which}"


def _what_was_done(
    token: RegistrationToken, devices: DevicesChoice, done: Revocation, *, dry_run: bool
) -> str:
    verb = {"keep": "kept", "suspend": "suspended", "revoke": "revoked"}[devices]
    if dry_run:
        return (
            f"Nothing was changed. Revoking {token.label} would leave {_devices(done.devices.count)} {verb}."
        )
    return f"The registration token {token.label} is {done.state}: {_devices(done.devices.count)} {verb}."


def _devices(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
