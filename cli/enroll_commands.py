"""`doorward enroll`, `leave` and `status`: what this machine itself is to a server."""

import click
import msgspec
from click.core import ParameterSource

from cli import presented_token
from cli.client import Client, open_client
from cli.enrollment import (
    AskedEnrollment,
    Enrolled,
    Enrollment,
    Register,
    by_token,
    by_user,
)
from cli.enrollment import (
    leave as leave_server,
)
from cli.errors import CancelledError, CliError, NotEnrolledError, NotLoggedInError, UnreachableError
from cli.facts import facts_of_own_device
from cli.invocation import Invocation, examples, json_option, print_json, server_option
from cli.machine import device_name, fingerprint_of
from cli.own_device import OwnDeviceApi
from cli.tenants import tenant_id_of


class _Options(msgspec.Struct, frozen=True):
    """What stands on the command line of `enroll`."""

    token: str | None
    token_file: str | None
    name: str | None
    tenant: str | None
    has_fingerprint: bool
    no_key: bool
    force: bool
    as_json: bool


@click.command(
    epilog=examples(
        "doorward enroll --server https://doorward.example.com --token-file token",
        "ssh admin@machine doorward enroll --server https://doorward.example.com --token-file - < token",
        "doorward enroll --name kitchen-laptop",
    )
)
@server_option()
@click.option(
    "--token",
    metavar="dwr_...",
    envvar="DOORWARD_TOKEN",
    show_envvar=True,
    help="The registration token. It shows in the list of processes: with --token-file it does not.",
)
@click.option("--token-file", metavar="FILE", help="A file that holds the registration token; - is stdin.")
@click.option("--name", help="What the device is called; default: the name of this machine.")
@click.option(
    "--tenant", metavar="ID|NAME", help="Without a token: one of your tenants; default: your personal one."
)
@click.option(
    "--fingerprint/--no-fingerprint",
    "has_fingerprint",
    default=True,
    help="Whether a hash tells the server which machine this is. Copies of one image need --no-fingerprint.",
)
@click.option(
    "--no-key", is_flag=True, help="Without a key pair: no addresses, and the device token comes unsealed."
)
@click.option(
    "--force", is_flag=True, help="Enroll anew, with a new key, even where this machine is enrolled."
)
@json_option("What the server says about the device, for machines.")
@click.pass_context
def enroll(context: click.Context, /, **options: object) -> None:
    """Make this machine a device, by a registration token or as the user who is logged in.

    Its key is made here and never leaves. Whatever interrupts it, the same command goes on: it is the same
    device then.
    """
    invocation = context.ensure_object(Invocation)
    chosen = msgspec.convert(options, _Options)
    token = _registration_token(context, chosen)
    server = invocation.server_to_enroll_with()
    try:
        with open_client() as client:
            enrolled = _enrolled(invocation, client, server, chosen, token)
    except KeyboardInterrupt:
        raise CancelledError("Cancelled. Run the same command again: it goes on from here.") from None
    _show(invocation, server, enrolled, as_json=chosen.as_json)


@click.command(epilog=examples("doorward leave", "doorward leave --server https://doorward.example.com"))
@server_option()
@click.pass_obj
def leave(invocation: Invocation) -> None:
    """Revoke the device that this machine is, and forget its key and its token."""
    server = invocation.server_of_device()
    with open_client() as client:
        device = leave_server(OwnDeviceApi(client, server), invocation.device_keep)
    if device is None:
        invocation.output.say(f"This machine is not enrolled with {server}.")
    else:
        invocation.output.say(f"{device.name} has left {server}.")


@click.command(epilog=examples("doorward status", "doorward status --json | jq -r .state"))
@server_option()
@json_option()
@click.pass_obj
def status(invocation: Invocation, *, as_json: bool) -> None:
    """Show what this machine is to the server it is enrolled with."""
    server = invocation.server_of_device()
    device = invocation.device_keep.device(server)
    if device is None:
        raise NotEnrolledError(f"This machine is not enrolled with {server}.", "Run `doorward enroll`.")
    with open_client() as client:
        told = OwnDeviceApi(client, server).me(device.device_token)
    if as_json:
        print_json(told.document)
    else:
        invocation.output.show_facts(facts_of_own_device(server, told.value))


def _registration_token(context: click.Context, options: _Options) -> str | None:
    """The token, wherever it stands; a file that is named wins over the environment."""
    token = options.token
    if options.token_file is not None:
        if context.get_parameter_source("token") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--token and --token-file exclude each other.")
        token = presented_token.read_token(options.token_file)
    if token is None:
        return None
    if options.tenant is not None:
        raise click.UsageError("--tenant is for users: a registration token belongs to its own tenant.")
    if (fault := presented_token.fault_of(token)) is not None:
        raise CliError(fault)
    return token


def _enrolled(
    invocation: Invocation, client: Client, server: str, options: _Options, token: str | None
) -> Enrolled:
    api = invocation.user_api(client, server)
    tenant_id = None if options.tenant is None else tenant_id_of(api, options.tenant)
    register: Register = by_user(api) if token is None else by_token(client, server, token)
    enrollment = Enrollment(OwnDeviceApi(client, server), invocation.device_keep, invocation.parts.randomness)
    try:
        return enrollment.run(_asked(invocation, options, tenant_id), register)
    except NotLoggedInError as error:
        raise NotLoggedInError(
            f"There is neither a registration token nor a login: {error.sentence}",
            "Give a token with --token-file, or run `doorward login`.",
        ) from None


def _asked(invocation: Invocation, options: _Options, tenant_id: str | None) -> AskedEnrollment:
    name = options.name or device_name(invocation.parts.host_name())
    if name is None:
        raise click.UsageError("This machine has no name: choose one with --name.")
    machine = invocation.parts.machine_id() if options.has_fingerprint else None
    return AskedEnrollment(
        name=name,
        fingerprint=None if machine is None else fingerprint_of(machine),
        tenant_id=tenant_id,
        has_key=not options.no_key,
        is_forced=options.force,
    )


def _show(invocation: Invocation, server: str, enrolled: Enrolled, *, as_json: bool) -> None:
    output, told = invocation.output, enrolled.told
    if told is None:
        if as_json:
            raise UnreachableError(
                f"This machine is enrolled as {enrolled.device.name}, but {server} does not answer.",
                "Try again later.",
            )
        output.say(f"This machine is enrolled with {server} as {enrolled.device.name}.")
        output.warn(f"{server} does not answer, so that its state is not known.")
        return
    if as_json:
        print_json(told.document)
        return
    before = "" if enrolled.is_new else "already "
    name = told.value.name
    output.say(f"This machine is {before}enrolled with {server} as {name}.")
    output.show_facts(facts_of_own_device(server, told.value))
    if told.value.state == "pending":
        output.say(f"It waits for approval: an administrator runs `doorward device approve {name}`.")
    elif told.value.state == "quarantined":
        output.say("Another device has the fingerprint of this machine. An administrator looks at both, and")
        output.say(f"runs `doorward device approve {name}` or `doorward device revoke {name}`.")
