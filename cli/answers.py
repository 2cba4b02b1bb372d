"""The answers of server and provider as types. Fields that we do not use are not looked at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec

# What goes into a header or a form again is printable (RFC 6749 appendix A): a line break in a token would
# make httpx refuse the request with the token in the text of its error.
Secret = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]+\Z")]

# At most a year: longer would only overflow dates.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]

T = TypeVar("T")

# What becomes of a request, in the agent's words.
Verdict = Literal["forwarded", "refused", "own", "unknown", "forward_auth"]


class Provider(msgspec.Struct, frozen=True):
    """What the device-mode agent says about the provider at `/login/start`."""

    token_endpoint: str
    client_id: str
    issuer: str
    scopes: tuple[str, ...]
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    audience_param: Literal["none", "resource", "audience"] = "none"
    audience: str | None = None

    def audience_form(self) -> Mapping[str, str]:
        """The parameter by which this provider is told whom the access token is for (RFC 8707 or its own)."""
        if self.audience_param == "none" or not self.audience:
            return {}
        return {self.audience_param: self.audience}


class DeviceCode(msgspec.Struct, frozen=True):
    """The device authorization answer (RFC 8628 section 3.2)."""

    device_code: Secret
    user_code: str
    verification_uri: str
    expires_in: Seconds
    verification_uri_complete: str | None = None
    interval: Seconds | None = None

    def __repr__(self) -> str:
        return "DeviceCode(...)"


class Tokens(msgspec.Struct, frozen=True):
    """The token answer (RFC 6749 section 5.1)."""

    access_token: Secret
    token_type: str
    expires_in: Seconds | None = None
    refresh_token: Secret | None = None

    def __repr__(self) -> str:
        return "Tokens(...)"


class OAuthError(msgspec.Struct, frozen=True):
    error: str
    error_description: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457, with our `code` and `request_id`."""

    detail: str | None = None
    title: str | None = None
    code: str | None = None
    request_id: str | None = None


class Tenant(msgspec.Struct, frozen=True):
    id: str
    name: str
    kind: str
    role: str


class Explanation(msgspec.Struct, frozen=True):
    """The agent's answer at `/routes/explain`."""

    method: str
    path: str
    verdict: Verdict
    because: tuple[str, ...] = ()
    mode: str | None = None
    route: str | None = None
    policy: str | None = None
    forwarded_to: tuple[str, ...] = ()


class User(msgspec.Struct, frozen=True):
    """The answer of `/api/v1/users/me`."""

    id: str
    issuer: str
    subject: str
    created_at: datetime
    tenants: tuple[Tenant, ...]
    personal_tenant_id: str | None = None
    name: str | None = None
    email: str | None = None

    @property
    def display_name(self) -> str:
        return self.name or self.email or self.subject


def decode(body: bytes, type_: type[T]) -> T | None:
    """The body as this type; None when it is anything else. Some send numbers in quotes."""
    try:
        return msgspec.json.decode(body, type=type_, strict=False)
    except (ValueError, RecursionError):
        return None
