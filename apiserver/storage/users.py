"""Statements about users."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.statement import Row, insert_unless_there, statement
from apiserver.storage.tables import users
from apiserver.tenants.users import Identity, Profile, User, UserId

_BY_ID = statement(select(users).where(users.c.id == bindparam("user_id")))
_BY_IDENTITY = statement(
    select(users).where(users.c.issuer == bindparam("issuer"), users.c.subject == bindparam("subject"))
)
_ADD = insert_unless_there(users, by=("issuer", "subject"))
_SET_PROFILE = statement(
    update(users)
    .where(users.c.id == bindparam("user_id"))
    .values(name=bindparam("new_name"), email=bindparam("new_email"))
)


@dataclass(frozen=True, slots=True)
class SqlUsers:
    """`tenant_contracts.UserRepository`."""

    connection: Connection

    async def by_id(self, user_id: UserId) -> User | None:
        row = await row_of(self.connection, _BY_ID, {"user_id": user_id})
        return None if row is None else _as_user(row)

    async def by_identity(self, identity: Identity) -> User | None:
        row = await row_of(
            self.connection, _BY_IDENTITY, {"issuer": identity.issuer, "subject": identity.subject}
        )
        return None if row is None else _as_user(row)

    async def add(self, user: User) -> bool:
        row = await row_of(
            self.connection,
            _ADD,
            {
                "id": user.id,
                "issuer": user.identity.issuer,
                "subject": user.identity.subject,
                "name": user.profile.name,
                "email": user.profile.email,
                "created_at": user.created_at,
            },
        )
        return row is not None

    async def set_profile(self, user_id: UserId, profile: Profile) -> None:
        await self.connection.rows(
            _SET_PROFILE, {"user_id": user_id, "new_name": profile.name, "new_email": profile.email}
        )


def _as_user(row: Row) -> User:
    return User(
        id=UserId(row.id),
        identity=Identity(row.issuer, row.subject),
        profile=Profile(row.name, row.email),
        created_at=row.created_at,
    )
