"""The provider's one JSON file: read, checked as a whole, refused unless everything in it is loopback."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.provider.clients import GRANT_TYPES, Client
from deploy.provider.loopback import is_loopback_authority, is_loopback_url
from deploy.provider.reading import Section
from deploy.provider.users import User

WHY_LOOPBACK = (
    "this provider is for development, knows its users' passwords in clear and speaks plain http, "
    "so it only serves and redirects to 127.0.0.1, [::1] and localhost"
)


class ConfigurationError(Exception):
    """The configuration cannot be used; `faults` are sentences, all of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Lifetimes:
    code_s: int = 60
    device_code_s: int = 600
    access_token_s: int = 300
    id_token_s: int = 300
    refresh_token_s: int = 7 * 24 * 3600
    session_s: int = 8 * 3600


@dataclass(frozen=True)
class Config:
    issuer: str
    listen_host: str
    listen_port: int
    data_file: Path | None
    audience: str
    resources: tuple[str, ...]
    clients: tuple[Client, ...]
    users: tuple[User, ...]
    lifetimes: Lifetimes
    device_interval_s: int


def read_config(path: Path) -> Config:
    """The checked configuration of a file. Raises ConfigurationError, also when there is no such file."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be read: {error.strerror}."]) from error
    except ValueError as error:
        raise ConfigurationError([f"{path} is not JSON: {error}."]) from error
    return check_config(content)


def check_config(content: object) -> Config:
    """The configuration that `content` describes. Raises ConfigurationError with every fault that it has."""
    faults: list[str] = []
    top = Section(content, "the configuration", faults)
    host, port = _listen(top)
    data_file = top.optional_text("data_file")
    config = Config(
        issuer=_issuer(top, port),
        listen_host=host,
        listen_port=port,
        data_file=Path(data_file) if data_file else None,
        audience=top.text("audience"),
        resources=top.texts("resources"),
        clients=tuple(_client(section) for section in top.sections("clients")),
        users=tuple(_user(section) for section in top.sections("users")),
        lifetimes=_lifetimes(top.section("lifetimes")),
        device_interval_s=top.seconds("device_interval_s", 5),
    )
    _refuse_doubles(top, "client_id", [client.client_id for client in config.clients])
    _refuse_doubles(top, "username", [user.username for user in config.users])
    top.finish()
    if faults:
        raise ConfigurationError(faults)
    return config


def _listen(top: Section) -> tuple[str, int]:
    listen = top.text("listen")
    if not listen:
        return "", 0
    if not is_loopback_authority(listen):
        top.fault(f"`listen` is {listen!r}, which is not host:port of this machine; {WHY_LOOPBACK}.")
        return "", 0
    parts = urlsplit(f"//{listen}")
    if not parts.port:
        top.fault("`listen` needs a port, as in 127.0.0.1:9090.")
    return parts.hostname or "", parts.port or 0


def _issuer(top: Section, listen_port: int) -> str:
    issuer = top.text("issuer")
    if not issuer:
        return ""
    if not is_loopback_url(issuer):
        top.fault(f"`issuer` is {issuer!r}, which is not a URL of this machine; {WHY_LOOPBACK}.")
        return issuer
    parts = urlsplit(issuer)
    if issuer != f"http://{parts.netloc}":
        top.fault("`issuer` must be http://host:port and nothing more, no slash at its end.")
    elif listen_port and (parts.port or 80) != listen_port:
        top.fault("`issuer` and `listen` name different ports, so nobody would find the issuer.")
    return issuer


def _client(section: Section) -> Client:
    client = Client(
        client_id=section.text("client_id"),
        client_secret=section.optional_text("client_secret"),
        redirect_uris=section.texts("redirect_uris"),
        post_logout_redirect_uris=section.texts("post_logout_redirect_uris"),
        backchannel_logout_uri=section.optional_text("backchannel_logout_uri"),
        grant_types=section.texts("grant_types", Client.grant_types),
    )
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris, client.backchannel_logout_uri):
        if uri is not None and not is_loopback_url(uri):
            section.fault(f"{uri!r} is not a URL of this machine; {WHY_LOOPBACK}.")
    for grant_type in client.grant_types:
        if grant_type not in GRANT_TYPES:
            section.fault(f"grant type {grant_type!r} is not offered; known are {', '.join(GRANT_TYPES)}.")
    if client.check_grant_type("authorization_code") and not client.redirect_uris:
        section.fault("`redirect_uris` is needed for the grant type authorization_code.")
    section.finish()
    return client


def _user(section: Section) -> User:
    user = User(
        username=section.text("username"),
        password=section.text("password"),
        name=section.text("name"),
        email=section.text("email"),
        groups=section.texts("groups"),
    )
    section.finish()
    return user


def _lifetimes(section: Section) -> Lifetimes:
    default = Lifetimes()
    lifetimes = Lifetimes(
        code_s=section.seconds("code_s", default.code_s),
        device_code_s=section.seconds("device_code_s", default.device_code_s),
        access_token_s=section.seconds("access_token_s", default.access_token_s),
        id_token_s=section.seconds("id_token_s", default.id_token_s),
        refresh_token_s=section.seconds("refresh_token_s", default.refresh_token_s),
        session_s=section.seconds("session_s", default.session_s),
    )
    section.finish()
    return lifetimes


def _refuse_doubles(top: Section, what: str, values: list[str]) -> None:
    for value in sorted({value for value in values if value and values.count(value) > 1}):
        top.fault(f"{what} {value!r} is there twice.")
