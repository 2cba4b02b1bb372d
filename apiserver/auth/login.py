"""What a user's JWT says, once it is verified: all that this server takes from it. Pure."""

from dataclasses import dataclass

from apiserver.auth.scopes import Scope, scope_words, scopes_of_login
from apiserver.tenants.users import Identity, Profile
from common.jwt import Claims, InvalidTokenError, TokenTimes, times_of

_LONGEST_SUBJECT = 255  # OpenID Connect Core section 2
_LONGEST_NAME = 200
_LONGEST_EMAIL = 320


@dataclass(frozen=True, slots=True)
class Login:
    """Who the provider says it is, what the JWT may be used for, and when.

    `words` are the scopes as the provider wrote them, those of other services among them.
    """

    identity: Identity
    profile: Profile
    scopes: frozenset[Scope]
    words: tuple[str, ...]
    times: TokenTimes


def login_of(issuer: str, claims: Claims) -> Login:
    """Raises `InvalidTokenError` for a subject that no provider should give."""
    scope = claims.get("scope", claims.get("scp"))
    return Login(
        identity=_identity_of(issuer, claims),
        profile=_profile_of(claims),
        scopes=scopes_of_login(scope),
        words=scope_words(scope),
        times=times_of(claims),
    )


def _identity_of(issuer: str, claims: Claims) -> Identity:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidTokenError("subject")
    return Identity(issuer=issuer, subject=subject)


def _profile_of(claims: Claims) -> Profile:
    """Claims of an odd form are passed over: nothing depends on them."""
    # An address that the provider itself doubts is not shown as the user's.
    email = None if claims.get("email_verified") is False else claims.get("email")
    return Profile(name=_line(claims.get("name"), _LONGEST_NAME), email=_line(email, _LONGEST_EMAIL))


def _line(value: object, longest: int) -> str | None:
    # One printable line: a name with a line break or an escape sequence would write into logs and terminals.
    is_line = isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
    return str(value) if is_line else None
