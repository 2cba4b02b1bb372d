"""`doorward service-token`: make, look at and end what software acts with in place of somebody."""

from datetime import timedelta

import click
import msgspec

from cli.client import open_client
from cli.facts import SERVICE_TOKEN_HEADINGS, facts_of_service_token, row_of_service_token
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
from cli.replies import Told
from cli.service_tokens import AskedServiceToken, MintedServiceToken, ServiceTokens
from cli.tenants import tenant_id_of


class _AskedOptions(msgspec.Struct, frozen=True):
    """What stands on the command line of `create`."""

    label: str
    scope: tuple[str, ...]
    expires_in: timedelta | None
    tenant: str | None
    as_json: bool


@click.group(
    "service-token",
    epilog=examples(
        "doorward service-token create --label ci --scope devices:read --scope devices:write",
        "doorward service-token list --tenant acme",
        "doorward service-token revoke ci",
    ),
)
def service_token() -> None:
    """Make and end the tokens by which software acts for you in one tenant."""


@service_token.command(
    epilog=examples(
        "doorward service-token create --label ci --scope devices:read",
        "doorward service-token create --label edge --tenant acme --scope tokens:introspect --expires-in 7d",
        "(umask 077; doorward service-token create --label ci --scope audit:read > token)",
    )
)
@server_option()
@tenant_option()
@click.option("--label", required=True, help="What you will know it by.")
@click.option(
    "--scope",
    required=True,
    multiple=True,
    help="What it may be used for, such as devices:read. May be repeated.",
)
@click.option("--expires-in", type=Duration(), metavar="90d", help="How long it holds; default: 90d.")
@json_option()
@click.pass_obj
def create(invocation: Invocation, /, **options: object) -> None:
    """Make a service token, which acts for you. It is shown this once.

    On a terminal with what it is; elsewhere alone on stdout.
    """
    chosen = msgspec.convert(options, _AskedOptions)
    expires_in = chosen.expires_in
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tenant_id = tenant_id_of(api, chosen.tenant)
        asked = AskedServiceToken(
            label=chosen.label,
            scopes=chosen.scope,
            tenant_id=tenant_id,
            expires_at=None if expires_in is None else invocation.parts.clock.now() + expires_in,
        )
        minted = ServiceTokens(api, tenant_id).create(asked, invocation.parts.randomness)
    _show_minted(invocation, minted, as_json=chosen.as_json)


@service_token.command(
    "list",
    epilog=examples(
        "doorward service-token list --tenant acme",
        "doorward service-token list --json | jq -r '.items[] | select(.last_used_at == null) | .label'",
    ),
)
@server_option()
@tenant_option()
@json_option()
@click.pass_obj
def list_tokens(invocation: Invocation, *, tenant: str | None, as_json: bool) -> None:
    """List the service tokens of a tenant, the newest first."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tokens = list(ServiceTokens(api, tenant_id_of(api, tenant)).each())
    if as_json:
        print_json({"items": [token.document for token in tokens]})
    elif tokens:
        rows = [row_of_service_token(token.value) for token in tokens]
        invocation.output.show_table(SERVICE_TOKEN_HEADINGS, rows)
    else:
        invocation.output.say("There are no service tokens.")


@service_token.command(
    epilog=examples("doorward service-token show ci", "doorward service-token show ci --json")
)
@server_option()
@tenant_option()
@click.argument("token", metavar="ID|LABEL")
@json_option()
@click.pass_obj
def show(invocation: Invocation, *, token: str, tenant: str | None, as_json: bool) -> None:
    """Show one service token, without its secret."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        found = ServiceTokens(api, tenant_id_of(api, tenant)).find(token)
    if as_json:
        print_json(found.document)
    else:
        invocation.output.show_facts(facts_of_service_token(found.value))


@service_token.command(
    epilog=examples("doorward service-token revoke ci", "doorward service-token revoke ci --yes --json")
)
@server_option()
@tenant_option()
@click.argument("token", metavar="ID|LABEL")
@yes_option()
@json_option()
@click.pass_obj
def revoke(invocation: Invocation, *, token: str, tenant: str | None, yes: bool, as_json: bool) -> None:
    """End a service token for ever."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tokens = ServiceTokens(api, tenant_id_of(api, tenant))
        found = tokens.find(token).value
        if not yes:
            invocation.confirm(f"Revoke the service token {found.label}? What uses it is refused at once.")
        done = tokens.revoke(found)
    if as_json:
        print_json(done.document)
    else:
        invocation.output.say(f"The service token {found.label} is {done.value.state}.")


def _show_minted(invocation: Invocation, minted: Told[MintedServiceToken], *, as_json: bool) -> None:
    if as_json:
        print_json(minted.document)
    elif invocation.output.is_terminal:
        invocation.output.show_panel("Service token", facts_of_service_token(minted.value))
        invocation.output.say("The token is shown this once. Whoever has it acts for you, within its scopes:")
        invocation.output.say("")
        invocation.output.say(minted.value.token)
    else:
        click.echo(minted.value.token)
