"""What the provider tells about itself. Every field is true; what is not offered is absent or false."""

from deploy.provider import paths
from deploy.provider.clients import GRANT_TYPES, SCOPES, SECRET_AUTH_METHODS
from deploy.provider.grants import ALL_AUTH_METHODS
from deploy.provider.keys import ALGORITHM

PROMPTS = ("none", "login")


def discovery_document(issuer: str) -> dict[str, object]:
    """OpenID Connect Discovery 1.0 section 3, with RFC 8414, 8628, 9207 and the logout specifications."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{paths.AUTHORIZE}",
        "token_endpoint": f"{issuer}{paths.TOKEN}",
        "userinfo_endpoint": f"{issuer}{paths.USERINFO}",
        "jwks_uri": f"{issuer}{paths.JWKS}",
        "revocation_endpoint": f"{issuer}{paths.REVOKE}",
        "introspection_endpoint": f"{issuer}{paths.INTROSPECT}",
        "device_authorization_endpoint": f"{issuer}{paths.DEVICE_AUTHORIZATION}",
        "end_session_endpoint": f"{issuer}{paths.END_SESSION}",
        "scopes_supported": SCOPES,
        "claims_supported": [
            *("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "at_hash", "sid"),
            *("name", "preferred_username", "email", "email_verified", "groups"),
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GRANT_TYPES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ALL_AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": ALL_AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": SECRET_AUTH_METHODS,
        "prompt_values_supported": PROMPTS,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
