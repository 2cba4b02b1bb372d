"""The bodies of service tokens that are read and answered. The OpenAPI document is made of these types."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from apiserver.auth.scopes import Scope
from apiserver.bodies import Body, Query
from apiserver.fields import Label, Limit, ServiceTokenIdText, TenantIdText, Time, UserIdText
from apiserver.pages import DEFAULT_LIMIT
from apiserver.tokens.service_token import ServiceToken, ServiceTokenState
from apiserver.tokens.service_tokens import MadeServiceToken

_Scopes = Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=len(Scope))]


class NewServiceToken(Body, frozen=True):
    """A token that acts for its maker. Without `expires_at` it holds for 90 days; 366 are the most."""

    label: Label
    scopes: _Scopes
    tenant_id: TenantIdText | None = None
    expires_at: Time | None = None


class ServiceTokenQuery(Query, frozen=True):
    """Which service tokens are listed; without `tenant_id` those of the personal tenant."""

    tenant_id: TenantIdText | None = None
    sort: Literal["created_at", "-created_at"] = "-created_at"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class ServiceTokenAnswer(msgspec.Struct, frozen=True):
    """A service token, which acts for `owner_id`. Its secret is shown once, when it is made."""

    id: ServiceTokenIdText
    tenant_id: TenantIdText
    owner_id: UserIdText
    label: Label
    scopes: list[Scope]
    created_at: Time
    expires_at: Time
    last_used_at: Time | None
    state: ServiceTokenState


class ServiceTokenWithSecret(ServiceTokenAnswer, frozen=True):
    """`token` is the secret, for the service. It is shown this once."""

    token: str


class ServiceTokenList(msgspec.Struct, frozen=True):
    """`next_cursor` is null on the last page."""

    items: list[ServiceTokenAnswer]
    next_cursor: str | None


def service_token_answer(token: ServiceToken, now: datetime) -> ServiceTokenAnswer:
    return ServiceTokenAnswer(
        id=token.id,
        tenant_id=token.tenant_id,
        owner_id=token.owner_id,
        label=token.label,
        scopes=sorted(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        state=token.state(now),
    )


def service_token_with_secret(made: MadeServiceToken, now: datetime) -> ServiceTokenWithSecret:
    shown = service_token_answer(made.token, now)
    return ServiceTokenWithSecret(**msgspec.structs.asdict(shown), token=made.secret.reveal())
