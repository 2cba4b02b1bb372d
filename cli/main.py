"""The commands of `doorward` and the one place where an error becomes an exit code."""

import os
import re
import sys
from collections.abc import Sequence
from io import StringIO, TextIOWrapper
from typing import Final

import click

from cli import api, provider
from cli.addresses import DEFAULT_AGENT, server_address
from cli.audit_commands import audit
from cli.browser import has_graphical_session
from cli.client import VERSION, Client, open_client
from cli.device_commands import device
from cli.enroll_commands import enroll, leave, status
from cli.errors import CancelledError, CliError, ExitCode, TokenRefusedError, UnreachableError
from cli.invocation import (
    SYSTEM_PARTS,
    Invocation,
    Parts,
    examples,
    json_option,
    new_invocation,
    print_json,
    server_option,
)
from cli.keep import Credentials
from cli.key_commands import keys
from cli.login import DeviceLogin, Terminal
from cli.registration_token_commands import registration_token
from cli.service_token_commands import service_token

_OUR_SECRETS: Final = re.compile(r"\b(dw[a-z]_)[0-9A-Za-z]+")


def main(arguments: Sequence[str] | None = None, parts: Parts = SYSTEM_PARTS) -> int:
    """Runs one command and gives back its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    invocation = new_invocation(parts, os.environ)
    output = invocation.output
    try:
        code = doorward.main(arguments, prog_name="doorward", standalone_mode=False, obj=invocation)
    except CancelledError as cancelled:
        output.note(cancelled.sentence)
        return cancelled.exit_code
    except CliError as error:
        output.fail(error)
        return error.exit_code
    except click.ClickException as error:
        _show_usage_error(error)
        return error.exit_code
    except click.Abort:
        output.note("Cancelled.")
        return ExitCode.CANCELLED
    # Help and version give a code of click's, our commands none.
    return int(code or ExitCode.SUCCESS)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "doorward login --server https://doorward.example.com",
        "doorward whoami",
        'echo "Authorization: Bearer $(doorward token)" | curl -H @- https://doorward.example.com/api/v1/users/me',
    ),
)
@click.version_option(VERSION, message="doorward %(version)s")
@server_option(variable="DOORWARD_SERVER")
def doorward() -> None:
    """Log in to a Doorward server and use its API from the command line.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 not logged in, 4 server or provider unreachable,
    130 cancelled.
    """


@doorward.command(
    epilog=examples("doorward login", "doorward login --server https://doorward.example.com --no-browser")
)
@server_option()
@click.option("--no-browser", is_flag=True, help="Only show the address, open no browser.")
@click.pass_obj
def login(invocation: Invocation, *, no_browser: bool) -> None:
    """Log in by a code that you confirm.

    It is confirmed in a browser, on this machine or any other.
    """
    server = invocation.server()
    with open_client() as client:
        try:
            invocation.keep.ensure_writable()
            credentials = _device_login(invocation, client, server, no_browser=no_browser)
            with invocation.keep.locked() as keep:
                keep.put_new(server, credentials)
        except KeyboardInterrupt:
            raise CancelledError("Login cancelled.") from None
        _greet(invocation, client, server, credentials)


@doorward.command(epilog=examples("doorward logout", "doorward logout --server https://doorward.example.com"))
@server_option()
@click.pass_obj
def logout(invocation: Invocation) -> None:
    """Revoke the login and forget it here.

    It is revoked at the provider; where that fails, a warning says so and it is forgotten all the same.
    """
    server = invocation.server()
    if invocation.keep.credentials(server) is None:
        invocation.output.say(f"You are not logged in to {server}.")
        return
    with open_client() as client:
        _sign_out(invocation, client, server)
    invocation.output.say(f"Logged out of {server}.")


@doorward.command(epilog=examples("doorward whoami", "doorward whoami --json | jq -r .email"))
@server_option()
@json_option()
@click.pass_obj
def whoami(invocation: Invocation, *, as_json: bool) -> None:
    """Show who you are to the server, and your tenants."""
    server = invocation.server()
    with open_client() as client:
        told = invocation.user_api(client, server).me()
    if as_json:
        print_json(told.document)
    else:
        invocation.output.show_user(server, told.value)


@doorward.command(
    epilog=examples(
        'echo "Authorization: Bearer $(doorward token)" | curl -H @- https://doorward.example.com/api/v1/users/me'
    )
)
@server_option()
@click.pass_obj
def token(invocation: Invocation) -> None:
    """Print a fresh access token for scripts.

    It is good for at least a minute, unless the provider gives out shorter ones or is away.
    """
    server = invocation.server()
    with open_client() as client:
        click.echo(invocation.access(client).fresh(server).access_token)


@doorward.group(epilog=examples("doorward routes explain GET /api/v1/devices"))
def routes() -> None:
    """Look into the routes of an agent, as its operator."""


@routes.command(
    epilog=examples(
        "doorward routes explain GET /api/v1/devices",
        "doorward routes explain POST '/shop/orders?draft=1' --agent http://127.0.0.1:9081 --json",
    )
)
@click.argument("method")
@click.argument("path")
@click.option(
    "--agent",
    metavar="URL",
    default=DEFAULT_AGENT,
    show_default=True,
    help="The private listener of the agent (PRIVATE_LISTEN).",
)
@json_option("The agent's answer, for machines.")
@click.pass_obj
def explain(invocation: Invocation, *, method: str, path: str, agent: str, as_json: bool) -> None:
    """Show which route a request would meet, where it would go, and why.

    Nothing is sent there, and no login is needed.
    """
    with open_client() as client:
        told = api.explain_route(client, server_address(agent), method, path)
    if as_json:
        print_json(told.document)
    else:
        invocation.output.show_explanation(told.value)


for command in (registration_token, service_token, device, enroll, leave, status, audit, keys):
    doorward.add_command(command)


def _show_usage_error(error: click.ClickException) -> None:
    """As click does. It repeats what was typed: a token in the wrong place must not get into a log."""
    shown = StringIO()
    error.show(shown)
    click.echo(_OUR_SECRETS.sub(r"\1...", shown.getvalue()), err=True, nl=False)


def _device_login(invocation: Invocation, client: Client, server: str, *, no_browser: bool) -> Credentials:
    parts = invocation.parts
    may_open = not no_browser and has_graphical_session(os.environ, sys.platform)
    person = Terminal(invocation.output, server, parts.open_browser if may_open else None)
    whose = api.provider_of(client, server)
    return DeviceLogin(client, parts.clock, parts.sleep, person).run(whose)


def _greet(invocation: Invocation, client: Client, server: str, credentials: Credentials) -> None:
    """Tells whom the server takes this login for. A login that it refuses is not kept."""
    try:
        user = api.ask_who_i_am(client, server, credentials.access_token).value
    except TokenRefusedError as refusal:
        _sign_out(invocation, client, server)
        raise CliError(
            f"The provider logged you in, but {refusal.sentence}",
            "Ask the operator to compare provider and audience of the agent and the API server.",
        ) from None
    except UnreachableError as fault:
        raise UnreachableError(
            f"You are logged in, but {fault.sentence}", "Try `doorward whoami` later."
        ) from None
    invocation.output.say(f"Logged in to {server} as {user.display_name}.")


def _sign_out(invocation: Invocation, client: Client, server: str) -> None:
    """Forgets the login first: it is over here even when the provider cannot be reached."""
    with invocation.keep.locked() as keep:
        dropped = keep.drop(server)
    if dropped is None or dropped.refresh_token is None:
        return
    try:
        provider.revoke(client, dropped.provider, dropped.refresh_token)
    except CliError as error:
        invocation.output.warn(
            f"{error.sentence} The refresh token stays valid at the provider until it expires."
        )
