"""The applications that may ask for tokens, in the words that Authlib asks."""
# Authlib ships no type information:
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import hmac
from dataclasses import dataclass, field

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

GRANT_TYPES = ("authorization_code", "refresh_token", DEVICE_CODE_GRANT_TYPE)
SCOPES = ("openid", "profile", "email", "groups", "offline_access")

PUBLIC_AUTH_METHODS = ["none"]
SECRET_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True)
class Client(ClientMixin):
    """A registered client: confidential with a secret, which it must then use everywhere; public without."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    grant_types: tuple[str, ...] = GRANT_TYPES[:2]

    @property
    def client_metadata(self) -> dict[str, object]:
        return {"post_logout_redirect_uris": self.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        """What is known of the wanted scopes; OpenID Connect Core 5.4 has unknown ones ignored."""
        wanted = (scope or "").split()
        return " ".join(known for known in SCOPES if known in wanted)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, presented_secret: str) -> bool:
        if self.client_secret is None:
            return False
        return hmac.compare_digest(self.client_secret.encode(), presented_secret.encode())

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        # Without this a confidential client's id alone would do where public clients are let in.
        return method in (PUBLIC_AUTH_METHODS if self.client_secret is None else SECRET_AUTH_METHODS)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types
