"""What every command is given, and the pieces that commands are declared with."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import click

from cli.access import Access
from cli.addresses import DEFAULT_SERVER, server_address
from cli.browser import open_browser
from cli.client import Client
from cli.device_keep import DeviceKeep
from cli.errors import CancelledError
from cli.keep import Keep, folder_of
from cli.machine import host_name, machine_id
from cli.output import Output, clean
from cli.replies import Document
from cli.user_api import UserApi
from common.clock import Clock, SystemClock
from common.env import parse_duration
from common.randomness import Randomness, SystemRandomness


@dataclass(frozen=True)
class Parts:
    """What a command takes from the machine, so that tests need not wait for a person or a clock."""

    clock: Clock
    sleep: Callable[[float], None]
    open_browser: Callable[[str], bool]
    randomness: Randomness
    host_name: Callable[[], str]
    machine_id: Callable[[], str | None]


SYSTEM_PARTS: Final = Parts(
    SystemClock(), time.sleep, open_browser, SystemRandomness(), host_name, machine_id
)


@dataclass
class Invocation:
    """One run of the command. The options fill in `chosen_server`; the one nearest to the end wins."""

    parts: Parts
    output: Output
    keep: Keep
    device_keep: DeviceKeep
    chosen_server: str | None = None

    def server(self) -> str:
        # The file is read in any case: a fault in it shows before a person is sent through a login.
        last_server = self.keep.last_server()
        return server_address(self.chosen_server or last_server or DEFAULT_SERVER)

    def server_to_enroll_with(self) -> str:
        """As `server`; on a machine where nobody has logged in, that of the last enrollment."""
        last_server = self.keep.last_server() or self.device_keep.last_server()
        return server_address(self.chosen_server or last_server or DEFAULT_SERVER)

    def server_of_device(self) -> str:
        last_server = self.device_keep.last_server()
        return server_address(self.chosen_server or last_server or DEFAULT_SERVER)

    def access(self, client: Client) -> Access:
        return Access(self.keep, client, self.parts.clock)

    def user_api(self, client: Client, server: str) -> UserApi:
        return UserApi(client, self.access(client), server)

    def confirm(self, question: str) -> None:
        """Asks the person, where there is one. Raises `CancelledError` unless they say yes."""
        if sys.stdin.isatty() and not click.confirm(clean(question), err=True):
            raise CancelledError("Nothing was changed.")


def new_invocation(parts: Parts, environment: Mapping[str, str]) -> Invocation:
    folder = folder_of(environment)
    return Invocation(parts, Output(parts.clock), Keep(folder), DeviceKeep(folder))


def print_json(document: Document) -> None:
    # ASCII alone: what could steer a terminal is written as \u escapes.
    click.echo(json.dumps(document))


def server_option(*, variable: str | None = None) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(
        "--server",
        metavar="URL",
        envvar=variable,
        show_envvar=True,
        expose_value=False,
        callback=_choose_server,
        help=f"The Doorward server; default: that of the last login, else {DEFAULT_SERVER}.",
    )


def json_option(
    help_text: str = "The server's answer, for machines.",
) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def tenant_option() -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(
        "--tenant", metavar="ID|NAME", help="One of your tenants; default: your personal one."
    )


def yes_option() -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option("--yes", is_flag=True, help="Do not ask; without a terminal nobody is asked.")


class Duration(click.ParamType[timedelta]):
    """A time span such as 90s, 30m, 12h or 7d."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


def examples(*lines: str) -> str:
    # The backspace is click's sign to keep the lines as they are.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _choose_server(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value:
        context.ensure_object(Invocation).chosen_server = value
