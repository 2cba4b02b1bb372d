"""`doorward device`: the devices of a tenant, for the user who looks after them."""

from itertools import islice

import click

from cli.client import open_client
from cli.devices import STATES, Device, DeviceDeed, Devices
from cli.facts import DEVICE_HEADINGS, facts_of_device, row_of_device
from cli.invocation import (
    Invocation,
    examples,
    json_option,
    print_json,
    server_option,
    tenant_option,
    yes_option,
)
from cli.registration_tokens import RegistrationTokens
from cli.replies import Told
from cli.tenants import tenant_id_of


@click.group(
    epilog=examples(
        "doorward device list --state pending",
        "doorward device approve laptop",
        "doorward device revoke laptop",
    )
)
def device() -> None:
    """Look after the devices of a tenant."""


@device.command(
    "list",
    epilog=examples(
        "doorward device list --tenant acme --state pending",
        "doorward device list --registration-token lab --json | jq -r '.items[].name'",
    ),
)
@server_option()
@tenant_option()
@click.option("--state", type=click.Choice(STATES), help="Only these; default: all that have not ended.")
@click.option("--registration-token", metavar="ID|LABEL", help="Only those that joined by this token.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many; default: all.")
@json_option()
@click.pass_obj
def list_devices(
    invocation: Invocation,
    *,
    tenant: str | None,
    state: str | None,
    registration_token: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the devices that you may see, the newest first."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tenant_id = tenant_id_of(api, tenant)
        token = registration_token and RegistrationTokens(api, tenant_id).find(registration_token).value.id
        found = Devices(api, tenant_id).each(state=state, registration_token_id=token)
        devices = list(islice(found, limit))
    if as_json:
        print_json({"items": [told.document for told in devices]})
    elif devices:
        invocation.output.show_table(DEVICE_HEADINGS, [row_of_device(told.value) for told in devices])
    else:
        invocation.output.say("There are no such devices.")


@device.command(epilog=examples("doorward device show laptop", "doorward device show laptop --json"))
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@json_option()
@click.pass_obj
def show(invocation: Invocation, *, name: str, tenant: str | None, as_json: bool) -> None:
    """Show one device."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        told = Devices(api, tenant_id_of(api, tenant)).find(name)
    if as_json:
        print_json(told.document)
    else:
        invocation.output.show_facts(facts_of_device(told.value))


@device.command(
    epilog=examples("doorward device approve laptop", "doorward device approve laptop --tenant acme")
)
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@json_option()
@click.pass_obj
def approve(invocation: Invocation, *, name: str, tenant: str | None, as_json: bool) -> None:
    """Let in a device that is pending or quarantined."""
    _do(invocation, "approve", name, tenant, as_json=as_json)


@device.command(epilog=examples("doorward device suspend laptop"))
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@json_option()
@click.pass_obj
def suspend(invocation: Invocation, *, name: str, tenant: str | None, as_json: bool) -> None:
    """Shut a device out until it is resumed. It keeps its name, addresses and token."""
    _do(invocation, "suspend", name, tenant, as_json=as_json)


@device.command(epilog=examples("doorward device resume laptop"))
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@json_option()
@click.pass_obj
def resume(invocation: Invocation, *, name: str, tenant: str | None, as_json: bool) -> None:
    """Let a suspended device in again."""
    _do(invocation, "resume", name, tenant, as_json=as_json)


@device.command(epilog=examples("doorward device revoke laptop", "doorward device revoke laptop --yes"))
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@yes_option()
@json_option()
@click.pass_obj
def revoke(invocation: Invocation, *, name: str, tenant: str | None, yes: bool, as_json: bool) -> None:
    """Shut a device out for ever. To come back it needs a new key."""
    _do(invocation, "revoke", name, tenant, as_json=as_json, asks=not yes)


@device.command(epilog=examples("doorward device rename laptop kitchen-laptop"))
@server_option()
@tenant_option()
@click.argument("name", metavar="ID|NAME")
@click.argument("new_name")
@json_option()
@click.pass_obj
def rename(invocation: Invocation, *, name: str, new_name: str, tenant: str | None, as_json: bool) -> None:
    """Give a device another name."""
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        devices = Devices(api, tenant_id_of(api, tenant))
        told = devices.rename(devices.find(name).value, new_name)
    _show_done(invocation, told, f"The device is called {told.value.name} now.", as_json=as_json)


def _do(
    invocation: Invocation,
    deed: DeviceDeed,
    name: str,
    tenant: str | None,
    *,
    as_json: bool,
    asks: bool = False,
) -> None:
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        devices = Devices(api, tenant_id_of(api, tenant))
        found = devices.find(name).value
        if asks:
            invocation.confirm(f"Shut {found.name} ({found.id}) out for ever?")
        told = devices.do(deed, found)
    _show_done(invocation, told, f"{told.value.name} is {told.value.state}.", as_json=as_json)


def _show_done(invocation: Invocation, told: Told[Device], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(told.document)
    else:
        invocation.output.say(sentence)
