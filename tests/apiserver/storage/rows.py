"""Rows for tests that care for few of their values, and units of work about them."""

from datetime import UTC, datetime

from apiserver.storage.contracts import Storage
from apiserver.tenants.tenants import Tenant, TenantId, TenantKind
from apiserver.tenants.users import Identity, Profile, User, UserId

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ALICE = Identity("https://issuer.example", "alice")
BOB = Identity("https://issuer.example", "bob")


def a_user(
    user_id: str = "usr_1",
    identity: Identity = ALICE,
    profile: Profile | None = None,
    created_at: datetime = NOW,
) -> User:
    return User(UserId(user_id), identity, profile or Profile(), created_at)


def a_tenant(tenant_id: str = "ten_1", personal_of: UserId | None = None) -> Tenant:
    return Tenant(TenantId(tenant_id), f"Tenant {tenant_id}", TenantKind.PRIVATE, personal_of, NOW)


async def add_user(storage: Storage, user: User) -> bool:
    return await storage.write(lambda tx: tx.users.add(user))


async def find(storage: Storage, identity: Identity = ALICE) -> User | None:
    return await storage.read(lambda view: view.users.by_identity(identity))
