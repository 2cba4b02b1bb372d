"""What no log may hold: collected while tests run, looked for at the end."""

import re
from collections import defaultdict
from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

JWT = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")

SECRET_PARAMETERS = ("code", "state", "nonce", "id_token_hint", "user_code")
LOGOUT_TICKET = re.compile(r"/logout/([^/]+)")
# Shorter than any secret of ours: an emptied cookie, say.
TOO_SHORT = 6


class SecretsSeen:
    """Values by kind."""

    def __init__(self) -> None:
        self._values: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def kinds(self) -> set[str]:
        return set(self._values)

    def add(self, kind: str, value: str) -> None:
        if len(value) >= TOO_SHORT:
            self._values[kind].add(value)

    def add_url(self, url: str) -> None:
        """Codes, states and tokens of the query; the ticket of a logout."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        for name in SECRET_PARAMETERS:
            for value in query.get(name, []):
                self.add(name, value)
        if (ticket := LOGOUT_TICKET.fullmatch(parts.path)) is not None:
            self.add("logout ticket", ticket[1])

    def add_set_cookie(self, header: str) -> None:
        for name, cookie in SimpleCookie(header).items():
            self.add(_kind_of_cookie(name), cookie.value)

    def leaks(self, logs: Mapping[str, str]) -> list[str]:
        """Which kind of secret stands in which log, without the secret. A JWT counts, whoever saw it."""
        known = [
            f"{kind} in {log}"
            for kind, values in self._values.items()
            for log, text in logs.items()
            if any(value in text for value in values)
        ]
        return known + [f"JWT in {log}" for log, text in logs.items() if JWT.search(text) is not None]


def _kind_of_cookie(name: str) -> str:
    if name.startswith("doorward_login_"):
        return "login cookie"
    return "session cookie" if name == "doorward_session" else "provider's cookie"
