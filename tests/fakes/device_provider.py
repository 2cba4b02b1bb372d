"""A small real server for the command line: device-mode agent, provider and API on one loopback port."""

import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

ACCESS_TOKEN_LIFETIME_S: Final = 300
_GATE_TIME_S: Final = 20


@dataclass(frozen=True)
class Canned:
    """An answer given as it is, in the place of the usual one."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drops_connection: bool = False


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]
    query: Mapping[str, str]


def oauth_error(error: str, status: int = 400) -> Canned:
    return Canned(status, json.dumps({"error": error}).encode())


def problem(status: int, detail: str) -> Canned:
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "request_id": "req-7"}
    return Canned(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json"})


class DeviceProvider:
    """See the module. Attributes are either switches to set or records to look at.

    Switches: `instead` (a canned answer by path), `polls` (answers to the first polls, then tokens come),
    `agent`, `code`, `tokens` and `user` (fields over the usual ones; None takes one away), `rotates`,
    `refresh_gate` (refreshes wait for it when it is set).
    Records: `url`, `received`, `refreshes`, `refresh_arrived`, `revoked`, `access_tokens` (those that work).
    """

    def __init__(self) -> None:
        self.url = ""
        self.instead: dict[str, Canned] = {}
        self.polls: list[Canned] = []
        self.agent: dict[str, Any] = {}
        self.code: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}
        self.user: dict[str, Any] = {}
        self.rotates = True
        self.refresh_gate: threading.Event | None = None
        self.refresh_arrived = threading.Event()
        self.received: list[Received] = []
        self.refreshes = 0
        self.revoked: list[str] = []
        self.access_tokens: set[str] = set()
        self._refresh_token = ""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        provider = cls()

        class Handler(_Handler):
            answer = provider._answer

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False
        provider.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield provider
        finally:
            if provider.refresh_gate is not None:
                provider.refresh_gate.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def forms(self, path: str) -> list[Mapping[str, str]]:
        """What was posted there, in order."""
        return [request.form for request in self.received if request.path == path]

    def end_access(self) -> None:
        """No access token that is out there is accepted any more, as after a change of keys."""
        self.access_tokens.clear()

    def _answer(self, request: Received) -> Canned:
        with self._lock:
            self.received.append(request)
        if request.path in self.instead:
            return self.instead[request.path]
        match request.path:
            case "/login/start":
                return _json(self._start() | self.agent)
            case "/device":
                return _json(self._code() | self.code)
            case "/token":
                return self._token(request.form)
            case "/revoke":
                self.revoked.append(request.form["token"])
                return Canned()
            case _:
                return self._me(request)

    def _start(self) -> dict[str, Any]:
        return {
            "device_authorization_endpoint": f"{self.url}/device",
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "client_id": "doorward-cli",
            "issuer": self.url,
            "scopes": ["openid", "offline_access"],
            "server_time": "2026-01-02T03:04:05Z",
        }

    def _code(self) -> dict[str, Any]:
        return {
            "device_code": "the-device-code",
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/activate",
            "verification_uri_complete": f"{self.url}/activate?user_code=WDJB-MJHT",
            "expires_in": 600,
            "interval": 5,
        }

    def _token(self, form: Mapping[str, str]) -> Canned:
        if form["grant_type"] == "refresh_token":
            return self._refresh(form["refresh_token"])
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
        assert form["device_code"] == "the-device-code"
        return self.polls.pop(0) if self.polls else self._new_tokens()

    def _refresh(self, refresh_token: str) -> Canned:
        with self._lock:
            self.refreshes += 1
            is_known, is_current = self._refresh_token != "", refresh_token == self._refresh_token
        self.refresh_arrived.set()
        if self.refresh_gate is not None:
            assert self.refresh_gate.wait(_GATE_TIME_S)
        if not is_known or not is_current:
            # A rotated refresh token that is used again ends the whole login, as most providers do.
            self._refresh_token = ""
            self.access_tokens.clear()
            return oauth_error("invalid_grant")
        return self._new_tokens()

    def end_login(self) -> None:
        """The user was logged out at the provider."""
        self._refresh_token = ""

    def _new_tokens(self) -> Canned:
        with self._lock:
            number = next(self._numbers)
            self.access_tokens.add(f"access-{number}")
            answer: dict[str, Any] = {
                "access_token": f"access-{number}",
                "token_type": "Bearer",
                "expires_in": ACCESS_TOKEN_LIFETIME_S,
            }
            if self.rotates or not self._refresh_token:
                self._refresh_token = answer["refresh_token"] = f"refresh-{number}"
        return _json(answer | self.tokens)

    def _me(self, request: Received) -> Canned:
        if request.path != "/api/v1/users/me":
            return problem(404, "There is nothing here.")
        authorization = request.headers.get("Authorization", "")
        if authorization.removeprefix("Bearer ") not in self.access_tokens:
            return problem(401, "The access token is not valid.")
        user = {
            "id": "user-1",
            "issuer": self.url,
            "subject": "alice",
            "name": "Alice",
            "email": "alice@example.com",
            "created_at": "2026-01-02T03:04:05Z",
            "personal_tenant_id": "tenant-1",
            "tenants": [{"id": "tenant-1", "name": "Alice's", "kind": "private", "role": "owner"}],
        }
        return _json(user | self.user)


class _Handler(BaseHTTPRequestHandler):
    def answer(self, request: Received) -> Canned:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        self._handle(dict(parse_qsl(body, strict_parsing=True)) if is_form else {})

    def _handle(self, form: Mapping[str, str]) -> None:
        target = urlsplit(self.path)
        query = dict(parse_qsl(target.query))
        canned = self.answer(Received(self.command, target.path, dict(self.headers), form, query))
        if canned.drops_connection:
            self.close_connection = True
            return
        self.send_response(canned.status)
        for name, value in {"Content-Type": "application/json", **canned.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(canned.body)))
        self.end_headers()
        self.wfile.write(canned.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it overrides
        """Nothing: tests look at `received`."""


def _json(fields: Mapping[str, Any]) -> Canned:
    given = {name: value for name, value in fields.items() if value is not None}
    return Canned(body=json.dumps(given).encode())
