"""Every statement finds its rows by an index: none reads a whole table, however many rows it has."""

import dataclasses
import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from itertools import combinations, product
from typing import Any
from urllib.parse import urlsplit

import pytest

import apiserver.storage
from apiserver.devices.device import LIVE_STATES, DeviceState
from apiserver.storage.audit import SqlAudit
from apiserver.storage.devices import SqlDevices
from apiserver.storage.location import PostgresAddress
from apiserver.storage.migrate import migrate_postgresql, migrate_sqlite
from apiserver.storage.records import AuditPage, DevicePage, RegistrationTokenPage, ServiceTokenPage
from apiserver.storage.registration_tokens import SqlRegistrationTokens
from apiserver.storage.service_tokens import SqlServiceTokens
from apiserver.storage.sqlite import prepare_file
from apiserver.storage.statement import Row, Statement
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId
from tests.apiserver.builders import NOW
from tests.fakes.postgres_servers import PostgresServer

_AT_ONCE = 50
TENANT = TenantId("ten_1")
DEVICE_FILTERS: dict[str, Any] = {
    "owner_id": UserId("usr_1"),
    "registration_token_id": RegistrationTokenId("rgt_1"),
    "name": "web",
    "after": "x",
}
# Invitations are as few as people, service tokens as the software that they set up, signing keys fewer still.
WHOLE_ON_SQLITE = {"leftovers._REMOVE_INVITATIONS", "leftovers._REMOVE_SERVICE_TOKENS", "signing_keys._ALL"}
# Where PostgreSQL rather reads all: a ninth of a table is changed, the oldest rows are removed, or the
# index itself is small.
WHOLE_ON_POSTGRESQL = {
    "device_sets._OF_TENANT.revoke_tokens",
    "leftovers._EPHEMERAL_TIMES",
    "leftovers._REMOVE_INVITATIONS",
    "leftovers._REMOVE_KEYS",
    "leftovers._REMOVE_SECRETS",
    "leftovers._REMOVE_SERVICE_TOKENS",
    "signing_keys._ADD",
    "signing_keys._ALL",
    "signing_keys._REMOVE",
    "signing_keys._WITHDRAW",
}
AUDIT_FILTERS: dict[str, Any] = {
    "actor_id": "usr_1", "action": "device.revoked", "target_id": "dev_1", "since": NOW, "until": NOW,
    "before_seq": 9, "after_seq": 1,
}  # fmt: skip
# PostgreSQL's planner looks at what there is: in a table of no rows one index is as good as another.
MANY_ROWS = """
INSERT INTO users SELECT 'usr_' || n, 'issuer', n, NULL, NULL, now() FROM generate_series(1, 300) n;
INSERT INTO tenants SELECT 'ten_' || n, 'name', 'private', NULL, now() FROM generate_series(1, 9) n;
INSERT INTO members SELECT 'ten_' || t, 'usr_' || n, 'member', now()
    FROM generate_series(1, 9) t, generate_series(1, 300) n;
INSERT INTO registration_tokens (id, tenant_id, owner_id, label, description, uses, taints, labels,
        source_networks, pre_approved, created_at, version)
    SELECT 'rgt_' || n, 'ten_' || n % 9 + 1, 'usr_' || n % 300 + 1, '', '', 0, '[]', '{}', '[]', false,
        now(), 1
    FROM generate_series(1, 1000) n;
INSERT INTO registration_token_secrets SELECT 'rts_' || n, 'rgt_' || n, '', now(), NULL, NULL
    FROM generate_series(1, 1000) n;
INSERT INTO devices (id, tenant_id, owner_id, registration_token_id, name, name_key, state, public_key,
        fingerprint, ipv4, ipv6, taints, labels, registered_at, version)
    SELECT 'dev_' || n, 'ten_' || n % 9 + 1, 'usr_' || n % 300 + 1, 'rgt_' || n % 1000 + 1, n, n,
        CASE WHEN n % 50 = 0 THEN 'pending' ELSE 'active' END, n, n, n, n, '[]', '{}', now(), 1
    FROM generate_series(1, 5000) n;
INSERT INTO device_tokens SELECT 'dtk_' || n, 'dev_' || n, '', now(), NULL, NULL
    FROM generate_series(1, 5000) n;
INSERT INTO service_tokens
    SELECT 'svt_' || n, 'ten_' || n % 9 + 1, 'usr_' || n % 300 + 1, '', '[]', '', now(),
        now(), NULL, NULL FROM generate_series(1, 1000) n;
INSERT INTO audit_events SELECT 'ten_' || n % 9 + 1, n, n, now(), 'user', 'usr_1', 'device.revoked', 'device',
        'dev_' || n, NULL, NULL, NULL, NULL, 'key', '' FROM generate_series(1, 5000) n;
ANALYZE;
"""


@dataclasses.dataclass
class Recorder:
    """An `engine.Connection` that keeps the statements and runs none."""

    statements: list[Statement] = dataclasses.field(default_factory=list)

    async def rows(self, statement: Statement, _values: Mapping[str, Any]) -> list[Row]:
        self.statements.append(statement)
        return []


def kept_statements() -> dict[str, Statement]:
    """All that stand ready in the modules of the storage."""
    found: dict[str, Statement] = {}
    for module in pkgutil.iter_modules(apiserver.storage.__path__):
        if not module.ispkg:
            contents = vars(importlib.import_module(f"apiserver.storage.{module.name}"))
            for name, value in contents.items():
                found |= dict(_statements_in(f"{module.name}.{name}", value))
    return found


def _statements_in(name: str, value: object) -> Iterator[tuple[str, Statement]]:
    if isinstance(value, Statement):
        yield name, value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from _statements_in(f"{name}.{part.name}", getattr(value, part.name))


def some_of(filters: Mapping[str, Any], most: int) -> Iterator[dict[str, Any]]:
    for number in range(most + 1):
        for names in combinations(filters, number):
            yield {name: filters[name] for name in names}


async def list_statements() -> dict[str, Statement]:
    """Those of lists, in every shape that their filters and sorts give them."""
    recorder, names = Recorder(), []
    for filters, state, by_name, down in product(
        some_of(DEVICE_FILTERS, 4), [None, *DeviceState], [False, True], [False, True]
    ):
        if by_name and state is not None and state not in LIVE_STATES:
            continue
        page = DevicePage(
            tenant_id=TENANT, limit=9, by_name=by_name, is_descending=down, state=state, **filters
        )
        await SqlDevices(recorder).page(page)
        names.append(f"devices by {'name' if by_name else 'id'} {down} {state} {sorted(filters)}")
    for filters, newest in product(some_of({"owner_id": UserId("usr_1"), "after": "x"}, 2), [False, True]):
        tokens = RegistrationTokenPage(tenant_id=TENANT, limit=9, is_newest_first=newest, **filters)
        await SqlRegistrationTokens(recorder).page(tokens)
        names.append(f"registration tokens {newest} {sorted(filters)}")
    for filters, newest in product(some_of({"after": "x"}, 1), [False, True]):
        services = ServiceTokenPage(tenant_id=TENANT, limit=9, is_newest_first=newest, **filters)
        await SqlServiceTokens(recorder).page(services)
        names.append(f"service tokens {newest} {sorted(filters)}")
    for filters, newest in product(some_of(AUDIT_FILTERS, 3), [False, True]):
        audit = AuditPage(tenant_id=TENANT, limit=9, is_newest_first=newest, **filters)
        await SqlAudit(recorder).page(audit)
        names.append(f"audit {newest} {sorted(filters)}")
    return dict(zip(names, recorder.statements, strict=True))


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "doorward.db"
    prepare_file(path)
    migrate_sqlite(path, timedelta(seconds=5))
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def sqlite_plans(sqlite: sqlite3.Connection, statements: Mapping[str, Statement]) -> dict[str, list[str]]:
    return {
        name: [
            str(row[3])
            for row in sqlite.execute(
                f"EXPLAIN QUERY PLAN {statement.for_sqlite.sql}",
                [None] * statement.for_sqlite.sql.count("?"),
            )
        ]
        for name, statement in statements.items()
    }


def is_whole_table(step: str) -> bool:
    return step.startswith("SCAN ") and step != "SCAN CONSTANT ROW"


def name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def postgresql_plans(server: PostgresServer, url: str, statements: Mapping[str, Statement]) -> dict[str, str]:
    """With the planner told to read no whole table where there is any other way."""
    plans: dict[str, str] = {}
    names = list(statements)
    for start in range(0, len(names), _AT_ONCE):
        script = ["SET enable_seqscan = off"]
        for name in names[start : start + _AT_ONCE]:
            script.append(f"SELECT 'plan of {name.replace(chr(39), chr(34))}'")
            script.append(f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {statements[name].for_postgresql.sql}")
        printed = server.execute(";\n".join(script), name_of(url))
        told = re.split(r"^plan of (.+)\n", printed, flags=re.MULTILINE)
        plans |= dict(zip(told[1::2], told[2::2], strict=True))
    return plans


def reads_whole(plan: str) -> bool:
    """A whole table, or a whole index in its order."""
    return "Seq Scan" in plan or len(re.findall(r"Index.* Scan", plan)) > plan.count("Index Cond:")


async def test_sqlite_reads_no_whole_table(sqlite: sqlite3.Connection) -> None:
    statements = {**kept_statements(), **await list_statements()}
    plans = sqlite_plans(sqlite, statements)

    assert len(statements) > 250
    assert {name for name, plan in plans.items() if any(map(is_whole_table, plan))} <= WHOLE_ON_SQLITE


@pytest.mark.postgresql
async def test_postgresql_need_not_read_a_whole_table(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    await migrate_postgresql(PostgresAddress(postgres_url))
    postgres_server.execute(MANY_ROWS, name_of(postgres_url))
    statements = {**kept_statements(), **await list_statements()}
    plans = postgresql_plans(postgres_server, postgres_url, statements)

    assert len(plans) == len(statements)
    assert {name for name, plan in plans.items() if reads_whole(plan)} <= WHOLE_ON_POSTGRESQL


async def test_lists_are_read_in_their_order(sqlite: sqlite3.Connection) -> None:
    """Without sorting first all that there is: what makes the first page is read, and no more."""
    plans = sqlite_plans(sqlite, await list_statements())

    sorted_first = {name for name, plan in plans.items() if "USE TEMP B-TREE FOR ORDER BY" in plan}
    assert {name for name in sorted_first if not _is_of_few(name)} == set()


async def test_a_step_of_many_devices_is_found_in_order(sqlite: sqlite3.Connection) -> None:
    """From where the former one ended: else the last of many steps would read them all once more."""
    plans = sqlite_plans(
        sqlite, {name: one for name, one in kept_statements().items() if ".lock" in name and "sets" in name}
    )

    assert len(plans) == 6
    assert all(len(plan) == 1 and "id>?" in plan[0] for plan in plans.values()), plans


def _is_of_few(name: str) -> bool:
    """One name is one device's; the few of an owner, a token or a state are found first, then sorted."""
    if "'name'" in name:
        return True
    narrow = ("owner_id", "registration_token_id", " pending ", " suspended ", " quarantined ")
    return name.startswith("devices by name") and any(word in name for word in narrow)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "devices_live_index (tenant_id=?)"),
        ({"by_name": True}, "devices_live_name_key_key (tenant_id=?)"),
        ({"name": "web"}, "devices_live_name_key_key (tenant_id=? AND name_key=?)"),
        ({"name": "web", "by_name": True}, "devices_live_name_key_key (tenant_id=? AND name_key=?)"),
        ({"registration_token_id": "rgt_1"}, "(registration_token_id=? AND tenant_id=?)"),
        ({"registration_token_id": "rgt_1", "by_name": True}, "(registration_token_id=? AND tenant_id=?)"),
        ({"owner_id": "usr_1"}, "devices_live_of_owner_index (owner_id=? AND tenant_id=?)"),
        ({"owner_id": "usr_1", "by_name": True}, "devices_live_of_owner_index (owner_id=? AND tenant_id=?)"),
        ({"state": DeviceState.PENDING}, "devices_waiting_index (tenant_id=? AND state=?)"),
        (
            {"state": DeviceState.QUARANTINED, "by_name": True},
            "devices_waiting_index (tenant_id=? AND state=?)",
        ),
        ({"state": DeviceState.REVOKED}, "devices_waiting_index (tenant_id=? AND state=?)"),
        ({"after": "dev_1"}, "devices_live_index (tenant_id=? AND id>?)"),
        ({"after": "web", "by_name": True}, "devices_live_name_key_key (tenant_id=? AND name_key>?)"),
    ],
    ids=str,
)
async def test_a_filter_finds_its_devices_by_its_own_index(
    sqlite: sqlite3.Connection, filters: dict[str, Any], index: str
) -> None:
    recorder = Recorder()
    page = DevicePage(
        **{"tenant_id": TENANT, "limit": 9, "by_name": False, "is_descending": False, **filters}
    )
    await SqlDevices(recorder).page(page)
    [plan] = sqlite_plans(sqlite, {"page": recorder.statements[0]}).values()

    assert index in plan[0]


async def test_a_name_is_looked_up_by_its_index(sqlite: sqlite3.Connection) -> None:
    recorder = Recorder()
    await SqlDevices(recorder).is_name_taken(TENANT, "web")
    [plan] = sqlite_plans(sqlite, {"name": recorder.statements[0]}).values()

    assert plan == ["SEARCH devices USING INDEX devices_live_name_key_key (tenant_id=? AND name_key=?)"]
