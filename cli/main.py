"""The commands of `doorward` and the one place where an error becomes an exit code."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Final

import click

from cli import api, provider
from cli.access import Access
from cli.addresses import DEFAULT_AGENT, DEFAULT_SERVER, server_address
from cli.browser import has_graphical_session, open_browser
from cli.client import VERSION, Client, open_client
from cli.errors import CancelledError, CliError, ExitCode, TokenRefusedError, UnreachableError
from cli.keep import Credentials, Keep, folder_of
from cli.login import DeviceLogin, Terminal
from cli.output import Output
from common.clock import Clock, SystemClock


@dataclass(frozen=True)
class Parts:
    """What a command takes from the machine, so that tests need not wait for a person or a clock."""

    clock: Clock
    sleep: Callable[[float], None]
    open_browser: Callable[[str], bool]


SYSTEM_PARTS: Final = Parts(SystemClock(), time.sleep, open_browser)


@dataclass
class Invocation:
    """One run of the command. The options fill in `chosen_server`; the one nearest to the end wins."""

    parts: Parts
    output: Output
    keep: Keep
    chosen_server: str | None = None

    def server(self) -> str:
        # The file is read in any case: a fault in it shows before a person is sent through a login.
        last_server = self.keep.last_server()
        return server_address(self.chosen_server or last_server or DEFAULT_SERVER)

    def access(self, client: Client) -> Access:
        return Access(self.keep, client, self.parts.clock)


def main(arguments: Sequence[str] | None = None, parts: Parts = SYSTEM_PARTS) -> int:
    """Runs one command and gives back its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    output = Output(parts.clock)
    invocation = Invocation(parts, output, Keep(folder_of(os.environ)))
    try:
        code = doorward.main(arguments, prog_name="doorward", standalone_mode=False, obj=invocation)
    except CancelledError as cancelled:
        output.note(cancelled.sentence)
        return cancelled.exit_code
    except CliError as error:
        output.fail(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        output.note("Cancelled.")
        return ExitCode.CANCELLED
    # Help and version give a code of click's, our commands none.
    return int(code or ExitCode.SUCCESS)


def _choose_server(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value:
        context.ensure_object(Invocation).chosen_server = value


def _server_option(*, variable: str | None = None) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(
        "--server",
        metavar="URL",
        envvar=variable,
        show_envvar=True,
        expose_value=False,
        callback=_choose_server,
        help=f"The Doorward server; default: that of the last login, else {DEFAULT_SERVER}.",
    )


def _examples(*lines: str) -> str:
    # The backspace is click's sign to keep the lines as they are.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples(
        "doorward login --server https://doorward.example.com",
        "doorward whoami",
        'echo "Authorization: Bearer $(doorward token)" | curl -H @- https://doorward.example.com/api/v1/users/me',
    ),
)
@click.version_option(VERSION, message="doorward %(version)s")
@_server_option(variable="DOORWARD_SERVER")
def doorward() -> None:
    """Log in to a Doorward server and use its API from the command line.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 not logged in, 4 server or provider unreachable,
    130 cancelled.
    """


@doorward.command(
    epilog=_examples("doorward login", "doorward login --server https://doorward.example.com --no-browser")
)
@_server_option()
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


@doorward.command(
    epilog=_examples("doorward logout", "doorward logout --server https://doorward.example.com")
)
@_server_option()
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


@doorward.command(epilog=_examples("doorward whoami", "doorward whoami --json | jq -r .email"))
@_server_option()
@click.option("--json", "as_json", is_flag=True, help="The server's answer, for machines.")
@click.pass_obj
def whoami(invocation: Invocation, *, as_json: bool) -> None:
    """Show who you are to the server, and your tenants."""
    server = invocation.server()
    with open_client() as client:
        user, document = invocation.access(client).use(
            server, lambda access_token: api.ask_who_i_am(client, server, access_token)
        )
    if as_json:
        # ASCII alone: what could steer a terminal is written as \u escapes.
        click.echo(json.dumps(document))
    else:
        invocation.output.show_user(server, user)


@doorward.command(
    epilog=_examples(
        'echo "Authorization: Bearer $(doorward token)" | curl -H @- https://doorward.example.com/api/v1/users/me'
    )
)
@_server_option()
@click.pass_obj
def token(invocation: Invocation) -> None:
    """Print a fresh access token for scripts.

    It is good for at least a minute, unless the provider gives out shorter ones or is away.
    """
    server = invocation.server()
    with open_client() as client:
        click.echo(invocation.access(client).fresh(server).access_token)


@doorward.group(epilog=_examples("doorward routes explain GET /api/v1/devices"))
def routes() -> None:
    """Look into the routes of an agent, as its operator."""


@routes.command(
    epilog=_examples(
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
@click.option("--json", "as_json", is_flag=True, help="The agent's answer, for machines.")
@click.pass_obj
def explain(invocation: Invocation, *, method: str, path: str, agent: str, as_json: bool) -> None:
    """Show which route a request would meet, where it would go, and why.

    Nothing is sent there, and no login is needed.
    """
    with open_client() as client:
        explanation, document = api.explain_route(client, server_address(agent), method, path)
    if as_json:
        click.echo(json.dumps(document))
    else:
        invocation.output.show_explanation(explanation)


def _device_login(invocation: Invocation, client: Client, server: str, *, no_browser: bool) -> Credentials:
    parts = invocation.parts
    may_open = not no_browser and has_graphical_session(os.environ, sys.platform)
    person = Terminal(invocation.output, server, parts.open_browser if may_open else None)
    whose = api.provider_of(client, server)
    return DeviceLogin(client, parts.clock, parts.sleep, person).run(whose)


def _greet(invocation: Invocation, client: Client, server: str, credentials: Credentials) -> None:
    """Tells whom the server takes this login for. A login that it refuses is not kept."""
    try:
        user, _ = api.ask_who_i_am(client, server, credentials.access_token)
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
