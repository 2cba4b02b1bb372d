"""`doorward audit`: what was done in a tenant, and whether the record of it is whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO, Final

import click
import msgspec

from cli.audit import MEANINGS, Audit, AuditEvent, Verdict
from cli.checkpoints import Checkpoint, checkpoints_in, chosen
from cli.client import open_client
from cli.errors import CliError
from cli.invocation import (
    Duration,
    Invocation,
    examples,
    json_option,
    print_json,
    server_option,
    tenant_option,
)
from cli.replies import makes_no_sense
from cli.tenants import tenant_id_of
from cli.user_api import UserApi

# A million events take half a minute, and servers have more to do.
VERIFICATION_TIME_S: Final = 300.0

_LARGEST_PAGE: Final = 50
_HEADINGS: Final = ("Seq", "At", "Action", "By", "Target", "Address")


class _ListOptions(msgspec.Struct, frozen=True):
    """As click has read them."""

    tenant: str | None
    action: str | None
    actor: str | None
    target: str | None
    since: timedelta | None
    limit: int
    as_json: bool

    def query(self, now: datetime) -> dict[str, str | None]:
        return {
            "action": self.action,
            "actor_id": self.actor,
            "target_id": self.target,
            "since": None if self.since is None else (now - self.since).isoformat(),
            # Large events make large pages, and answers are bounded.
            "limit": str(min(self.limit, _LARGEST_PAGE)),
        }


@click.group(
    epilog=examples(
        "doorward audit list --tenant acme",
        "doorward audit verify --tenant acme --log /var/log/doorward/apiserver.log",
    )
)
def audit() -> None:
    """Read what was done in a tenant, and verify that nobody changed the record."""


@audit.command(
    "list",
    epilog=examples(
        "doorward audit list --tenant acme --action device.revoked --since 7d",
        "doorward audit list --target dev_... --json | jq -r '.items[].after'",
    ),
)
@server_option()
@tenant_option()
@click.option("--action", metavar="ACTION", help="Only these deeds, such as device.revoked.")
@click.option("--actor", metavar="ID", help="Only what this user, device or token did.")
@click.option("--target", metavar="ID", help="Only what was done to this.")
@click.option("--since", type=Duration(), metavar="SPAN", help="Only the last 90m, 12h, 7d.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most so many."
)
@json_option()
@click.pass_obj
def list_events(invocation: Invocation, /, **options: object) -> None:
    """List the audit events of a tenant, the newest first."""
    chosen_options = msgspec.convert(options, _ListOptions)
    with open_client() as client:
        api = invocation.user_api(client, invocation.server())
        tenant_id = tenant_id_of(api, chosen_options.tenant)
        found = Audit(api, tenant_id).each(chosen_options.query(invocation.parts.clock.now()))
        events = list(islice(found, chosen_options.limit))
    if chosen_options.as_json:
        print_json({"items": [told.document for told in events]})
    elif events:
        invocation.output.show_table(_HEADINGS, [_row(told.value) for told in events])
    else:
        invocation.output.say("There are no such events.")


@audit.command(
    epilog=examples(
        "doorward audit verify --tenant acme --log /var/log/doorward/apiserver.log",
        "journalctl -u doorward-apiserver | doorward audit verify --log -",
    )
)
@server_option()
@tenant_option()
@click.option(
    "--log",
    "logs",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Logs of the API servers, for their checkpoints; - reads standard input. Any number of them.",
)
@json_option()
@click.pass_obj
def verify(invocation: Invocation, *, tenant: str | None, logs: Sequence[BinaryIO], as_json: bool) -> None:
    """Verify that the audit events of a tenant are what was written.

    With the servers' logs, a chain that was cut or rolled back is found, too. Exit code 1 says that it is
    broken.
    """
    with open_client(VERIFICATION_TIME_S) as client:
        api = invocation.user_api(client, invocation.server())
        tenant_id = tenant_id_of(api, tenant) or _personal_tenant_id(api)
        checkpoints = chosen(checkpoints_in(logs, tenant_id))
        if not checkpoints:
            _warn(invocation, tenant_id, has_log=bool(logs))
        told = Audit(api, tenant_id).verify(checkpoints)
    if as_json:
        print_json(told.document)
    else:
        _show(invocation, told.value, checkpoints)
    if not told.value.is_intact:
        raise CliError(
            f"The audit events of {tenant_id} are not what was written.",
            "Keep the database and the logs as they are, and find out who could write to it.",
        )


def _personal_tenant_id(api: UserApi) -> str:
    """Which lines of the log are of this tenant, the server does not know."""
    tenant_id = api.me().value.personal_tenant_id
    if tenant_id is None:
        raise makes_no_sense(api.server)
    return tenant_id


def _warn(invocation: Invocation, tenant_id: str, *, has_log: bool) -> None:
    why = f"The log has no checkpoint of {tenant_id}" if has_log else "Without --log"
    invocation.output.warn(f"{why}: events that were cut off at the end cannot be missed.")


def _show(invocation: Invocation, verdict: Verdict, checkpoints: Sequence[Checkpoint]) -> None:
    output = invocation.output
    if verdict.is_intact:
        output.say(f"Intact. Events: {verdict.events}; checkpoints of the log: {len(checkpoints)}.")
    else:
        rows = [(str(fault.seq), fault.kind, MEANINGS.get(fault.kind, "")) for fault in verdict.faults]
        output.show_table(("Seq", "Fault", "Meaning"), rows)
    if verdict.head is not None:
        output.say(f"Last event: {verdict.head.seq}, MAC {verdict.head.mac}")


def _row(event: AuditEvent) -> tuple[str, ...]:
    return (
        str(event.seq),
        event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        event.action,
        f"{event.actor_kind} {event.actor_id}",
        f"{event.target_kind} {event.target_id}",
        event.address or "-",
    )
