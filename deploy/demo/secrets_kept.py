"""The secrets of the demo: made at its first start, kept in its folder, handed over in files."""

import base64
from dataclasses import dataclass

from common.randomness import Randomness, token_urlsafe
from deploy.demo.folder import Folder

USERS = ("alice", "bob", "admin")

CLIENT_SECRET = "client-secret"  # noqa: S105 - a file name
COOKIE_KEY = "cookie-key"


@dataclass(frozen=True, repr=False)
class KeptSecrets:
    client_secret: str
    passwords: dict[str, str]

    def __repr__(self) -> str:
        return "KeptSecrets(***)"


def keep_secrets(folder: Folder, randomness: Randomness) -> KeptSecrets:
    folder.secret(COOKIE_KEY, lambda: base64.b64encode(randomness.token_bytes(32)).decode())
    return KeptSecrets(
        client_secret=folder.secret(CLIENT_SECRET, lambda: token_urlsafe(randomness)),
        passwords={user: folder.secret(f"password-{user}", lambda: _password(randomness)) for user in USERS},
    )


def _password(randomness: Randomness) -> str:
    """Sixty random bits that can be read aloud."""
    signs = base64.b32encode(randomness.token_bytes(10)).decode().lower()
    return "-".join((signs[:4], signs[4:8], signs[8:12]))
