"""Statements about users."""

from dataclasses import dataclass

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from apiserver.storage.database import insert_unless_there
from apiserver.storage.tables import users
from apiserver.tenants.users import Identity, Profile, User, UserId


@dataclass(frozen=True)
class SqlUsers:
    """`contracts.UserRepository`."""

    connection: AsyncConnection

    async def by_identity(self, identity: Identity) -> User | None:
        rows = await self.connection.execute(
            select(users).where(users.c.issuer == identity.issuer, users.c.subject == identity.subject)
        )
        row = rows.first()
        return None if row is None else _as_user(row)

    async def add(self, user: User) -> bool:
        result = await self.connection.execute(
            insert_unless_there(users, by=("issuer", "subject")).returning(users.c.id),
            {
                "id": user.id,
                "issuer": user.identity.issuer,
                "subject": user.identity.subject,
                "name": user.profile.name,
                "email": user.profile.email,
                "created_at": user.created_at,
            },
        )
        return result.first() is not None

    async def set_profile(self, user_id: UserId, profile: Profile) -> None:
        await self.connection.execute(
            update(users).where(users.c.id == user_id).values(name=profile.name, email=profile.email)
        )


def _as_user(row: Row[tuple[object, ...]]) -> User:
    return User(
        id=UserId(row.id),
        identity=Identity(row.issuer, row.subject),
        profile=Profile(row.name, row.email),
        created_at=row.created_at,
    )
