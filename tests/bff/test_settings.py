"""The agent's settings: what is refused, in which words, all at once, and what is never shown."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bff.settings import Secrets, Settings, read_settings
from common.env import ListenAddress, SettingsError
from common.randomness import SystemRandomness

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
SECRET = "the-secret-of-the-client"

NEEDED = {
    "OIDC_PROVIDER": "https://provider.example",
    "OIDC_CLIENT_ID": "doorward",
    "BACKEND": "http://127.0.0.1:8082",
}


def read(values: Mapping[str, str]) -> tuple[Settings, Secrets]:
    return read_settings(NEEDED | dict(values), SystemRandomness())


def faults_of(values: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(values)
    return raised.value.faults


def test_three_settings_are_enough_on_one_machine() -> None:
    settings, secrets = read({})

    assert settings.public_url == "http://localhost:8080"
    assert settings.redirect_url == "http://localhost:8080/login/end"
    assert settings.listen == ListenAddress("127.0.0.1", 8081)
    assert settings.private_listen == ListenAddress("127.0.0.1", 9081)
    assert (settings.flow, settings.client_auth, settings.audience_param) == ("authorization", "none", "none")
    assert settings.device_client_id == "doorward"
    assert (settings.session_idle, settings.session_lifetime) == (timedelta(hours=1), timedelta(hours=12))
    assert settings.return_origins == {"http://localhost:8080"}
    assert not settings.is_secure
    assert not settings.insecure_tls
    assert not settings.debug
    assert secrets.client_secret is None
    assert len(secrets.cookie_keys[0]) == 32


def test_a_large_setting_is_read_as_written() -> None:
    settings, secrets = read(
        {
            "PUBLIC_URL": "https://App.Example.com/",
            "PREFIX": "/web",
            "REDIRECT_URL": "https://app.example.com/web/login/end",
            "OIDC_CLIENT_SECRET": SECRET,
            "OIDC_DEVICE_CLIENT_ID": "doorward-cli",
            "OIDC_FLOW": "both",
            "OIDC_BACKCHANNEL": "http://keycloak:8080/realms/one",
            "OIDC_AUDIENCE": "api",
            "OIDC_AUDIENCE_PARAM": "resource",
            "SCOPES": "openid,api",
            "ORIGINS": "https://admin.example.com https://B.example.com:443",
            "COOKIE_KEY": f"{KEY} {OTHER_KEY}",
            "TRUSTED_PROXIES": "10.0.0.0/8",
            "INSECURE_TLS": "true",
        }
    )

    assert settings.is_secure
    assert settings.return_origins == {
        "https://app.example.com",
        "https://admin.example.com",
        "https://b.example.com",
    }
    assert settings.client_auth == "client_secret_basic"
    assert (settings.has_web_mode, settings.has_device_mode) == (True, True)
    assert settings.device_client_id == "doorward-cli"
    assert settings.scopes == ("openid", "api")
    assert settings.insecure_tls
    assert secrets.client_secret == SECRET
    assert secrets.cookie_keys == (bytes(range(32)), bytes(range(1, 33)))


URL_FORM = "must be an address such as https://host/path: no user, query or fragment."
ORIGIN_FORM = "it must be an origin such as https://app.example.com, no path."
COOKIE_KEY_FORM = "COOKIE_KEY must be 32 random bytes in base64: make one with `openssl rand -base64 32`."
REDIRECT_FORM = "REDIRECT_URL must be PUBLIC_URL, with PREFIX where there is one, and /login/end."

FAULTS: dict[str, tuple[dict[str, str], str]] = {
    "no provider": ({"OIDC_PROVIDER": ""}, "OIDC_PROVIDER is not set: it is required."),
    "no client": ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not set: it is required."),
    "no backend": (
        {"BACKEND": ""},
        "BACKEND is not set: name the service behind this door, or its routes in ROUTES.",
    ),
    "backend with a path": (
        {"BACKEND": "http://127.0.0.1:8082/api"},
        f"BACKEND is 'http://127.0.0.1:8082/api': {ORIGIN_FORM}",
    ),
    "plain http, public host": (
        {"PUBLIC_URL": "http://app.example.com"},
        "PUBLIC_URL is 'http://app.example.com': use https, plain http is for this machine only.",
    ),
    "plain http, address of the machine in the network": (
        {"PUBLIC_URL": "http://192.168.1.5:8080"},
        "PUBLIC_URL is 'http://192.168.1.5:8080': use https, plain http is for this machine only.",
    ),
    "plain http, every address": (
        {"PUBLIC_URL": "http://0.0.0.0:8080"},
        "PUBLIC_URL is 'http://0.0.0.0:8080': use https, plain http is for this machine only.",
    ),
    "plain http, host that begins like loopback": (
        {"PUBLIC_URL": "http://localhost.example.com"},
        "PUBLIC_URL is 'http://localhost.example.com': use https, plain http is for this machine only.",
    ),
    "public url with a path": (
        {"PUBLIC_URL": "https://app.example.com/door"},
        f"PUBLIC_URL is 'https://app.example.com/door': {ORIGIN_FORM}",
    ),
    "plain http provider": (
        {"OIDC_PROVIDER": "http://provider.example"},
        "OIDC_PROVIDER must be an https address: plain http is for this machine only.",
    ),
    "plain http provider in capitals": (
        {"OIDC_PROVIDER": "HTTP://provider.example"},
        f"OIDC_PROVIDER {URL_FORM}",
    ),
    "plain http provider, and TLS is not checked": (
        {"OIDC_PROVIDER": "http://provider.example", "INSECURE_TLS": "true"},
        "OIDC_PROVIDER must be an https address: plain http is for this machine only.",
    ),
    "plain http, public host, and TLS is not checked": (
        {"PUBLIC_URL": "http://app.example.com", "INSECURE_TLS": "true"},
        "PUBLIC_URL is 'http://app.example.com': use https, plain http is for this machine only.",
    ),
    "provider with a password": (
        {"OIDC_PROVIDER": "https://u:p@provider.example"},
        f"OIDC_PROVIDER {URL_FORM}",
    ),
    "back channel is no address": ({"OIDC_BACKCHANNEL": "keycloak:8080"}, f"OIDC_BACKCHANNEL {URL_FORM}"),
    "redirect at another host": ({"REDIRECT_URL": "https://evil.example/login/end"}, REDIRECT_FORM),
    "redirect with another path": ({"REDIRECT_URL": "http://localhost:8080/callback"}, REDIRECT_FORM),
    "redirect with a slash more": ({"REDIRECT_URL": "http://localhost:8080/login/end/"}, REDIRECT_FORM),
    "redirect below a prefix that is not there": (
        {"REDIRECT_URL": "http://localhost:8080/web/login/end"},
        REDIRECT_FORM,
    ),
    "client authentication without a secret": (
        {"OIDC_CLIENT_AUTH": "client_secret_post"},
        "OIDC_CLIENT_SECRET is not set: OIDC_CLIENT_AUTH=client_secret_post needs it.",
    ),
    "unknown client authentication": (
        {"OIDC_CLIENT_AUTH": "tls_client_auth"},
        (
            "OIDC_CLIENT_AUTH is 'tls_client_auth': use one of client_secret_basic, client_secret_post, "
            "private_key_jwt, none."
        ),
    ),
    "unknown flow": (
        {"OIDC_FLOW": "implicit"},
        "OIDC_FLOW is 'implicit': use one of authorization, device, both.",
    ),
    "unknown store": (
        {"SESSION_STORE": "file:/tmp/x"},
        (
            "SESSION_STORE must be memory:, or begin with redis://, redis+sentinel:// or redis+cluster:// "
            "(rediss in place of redis for TLS)."
        ),
    ),
    "scopes without openid": (
        {"SCOPES": "profile email"},
        "SCOPES must hold openid: without it there is no ID token to sign anyone in.",
    ),
    "audience asked for but not named": (
        {"OIDC_AUDIENCE_PARAM": "resource"},
        "OIDC_AUDIENCE is not set: OIDC_AUDIENCE_PARAM says to ask for it.",
    ),
    "idle longer than the lifetime": (
        {"SESSION_IDLE": "2d", "SESSION_LIFETIME": "1d"},
        "SESSION_IDLE is longer than SESSION_LIFETIME: make it shorter.",
    ),
    "lifetime beyond the calendar": (
        {"SESSION_LIFETIME": "999999999d"},
        "SESSION_LIFETIME is '999999999d': use at most 3650d.",
    ),
    "wildcard origin": ({"ORIGINS": "*"}, f"ORIGINS {URL_FORM}"),
    "wildcard host": (
        {"ORIGINS": "https://*.example.com"},
        "ORIGINS has a wildcard: write each origin out.",
    ),
    "plain http origin beside https": (
        {"PUBLIC_URL": "https://app.example.com", "ORIGINS": "http://admin.example.com"},
        "ORIGINS has plain http beside an https PUBLIC_URL: use https for all.",
    ),
    "backend is the door itself": (
        {"BACKEND": "http://localhost:8080"},
        "BACKEND is PUBLIC_URL itself: name the service that is behind this door.",
    ),
    "origin null": ({"ORIGINS": "null"}, f"ORIGINS {URL_FORM}"),
    "origin with a path": (
        {"ORIGINS": "http://localhost:1 http://localhost:2/x"},
        f"ORIGINS is 'http://localhost:2/x': {ORIGIN_FORM}",
    ),
    "prefix without a slash": (
        {"PREFIX": "web"},
        "PREFIX is 'web': write a path such as /web, without a slash at its end.",
    ),
    "prefix with a slash at its end": (
        {"PREFIX": "/web/"},
        "PREFIX is '/web/': write a path such as /web, without a slash at its end.",
    ),
    "prefix with a pattern": (
        {"PREFIX": "/{path}"},
        "PREFIX is '/{path}': write a path such as /web, without a slash at its end.",
    ),
    "prefix with dots": (
        {"PREFIX": "/../x"},
        "PREFIX is '/../x': write a path such as /web, without a slash at its end.",
    ),
    "prefix below the proxied route": (
        {"PREFIX": "/api"},
        "PREFIX is '/api': other routes are there, choose another word.",
    ),
    "prefix below the tickets of logout": (
        {"PREFIX": "/logout"},
        "PREFIX is '/logout': other routes are there, choose another word.",
    ),
    "prefix of the device mode": (
        {"PREFIX": "/device", "OIDC_FLOW": "both"},
        "PREFIX is '/device': other routes are there, choose another word.",
    ),
    "listener without a port": (
        {"LISTEN": "0.0.0.0"},
        "LISTEN is '0.0.0.0': write host:port, such as 127.0.0.1:8080 or [::1]:8080.",
    ),
    "flag is a word": ({"INSECURE_TLS": "maybe"}, "INSECURE_TLS is 'maybe': use true or false."),
    "proxies are a name": (
        {"TRUSTED_PROXIES": "caddy"},
        "TRUSTED_PROXIES has 'caddy': write ranges such as 10.0.0.0/8 or 127.0.0.1/32.",
    ),
    **{
        f"cookie key: {name}": ({"COOKIE_KEY": key}, COOKIE_KEY_FORM)
        for name, key in {
            "a password": "changeme",
            "31 bytes": base64.b64encode(bytes(range(31))).decode(),
            "33 bytes": base64.b64encode(bytes(range(33))).decode(),
            "zeros": base64.b64encode(bytes(32)).decode(),
            "one letter": "A" * 43,
            "not base64": "!" * 44,
            "not ASCII": "ключ" * 11,
            "only a comma": ",",
            "one of two": f"{KEY},short",
        }.items()
    },
}


@pytest.mark.parametrize(("values", "sentence"), FAULTS.values(), ids=FAULTS.keys())
def test_a_wrong_setting_is_one_sentence(values: dict[str, str], sentence: str) -> None:
    assert faults_of(values) == [sentence]


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        {
            "PUBLIC_URL": "http://app.example.com",
            "OIDC_PROVIDER": "http://provider.example",
            "OIDC_CLIENT_ID": "",
            "OIDC_CLIENT_AUTH": "client_secret_basic",
            "OIDC_AUDIENCE_PARAM": "audience",
            "BACKEND": "",
            "COOKIE_KEY": "changeme",
            "ORIGINS": "* null",
            "SCOPES": "email",
            "SESSION_IDLE": "1w",
            "LISTEN": "everywhere",
            "DEBUG": "loud",
        }
    )

    assert sorted(fault.split()[0] for fault in faults) == sorted(
        [
            "PUBLIC_URL", "OIDC_PROVIDER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_AUDIENCE", "BACKEND",
            "COOKIE_KEY", "ORIGINS", "ORIGINS", "SCOPES", "SESSION_IDLE", "LISTEN", "DEBUG",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080", "https://app.example.com"],
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    settings, _ = read({"PUBLIC_URL": url})

    assert settings.is_secure is url.startswith("https:")


@pytest.mark.parametrize(
    "redirect", ["https://app.example.com/login/end", "https://app.example.com/web/login/end"]
)
def test_the_redirect_uri_may_be_with_or_without_the_prefix(redirect: str) -> None:
    settings, _ = read({"PUBLIC_URL": "https://app.example.com", "PREFIX": "/web", "REDIRECT_URL": redirect})

    assert settings.redirect_url == redirect


def test_device_mode_alone_may_be_below_its_own_word() -> None:
    settings, _ = read({"OIDC_FLOW": "device", "PREFIX": "/device"})

    assert (settings.has_web_mode, settings.has_device_mode) == (False, True)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY, id="base64"),
        pytest.param(KEY.rstrip("="), id="without padding"),
        pytest.param(KEY.replace("+", "-").replace("/", "_"), id="for URLs"),
        pytest.param(f"  {KEY}\n", id="with blanks around it"),
    ],
)
def test_a_cookie_key_may_be_written_in_each_form_of_base64(key: str) -> None:
    assert read({"COOKIE_KEY": key})[1].cookie_keys == (bytes(range(32)),)


def test_a_key_that_is_not_configured_is_another_one_at_every_start() -> None:
    assert read({})[1].cookie_keys != read({})[1].cookie_keys


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "client").write_text(f"{SECRET}\n")
    (tmp_path / "keys").write_text(f"{KEY}\n{OTHER_KEY}\n")

    settings, secrets = read(
        {"OIDC_CLIENT_SECRET_FILE": str(tmp_path / "client"), "COOKIE_KEY_FILE": str(tmp_path / "keys")}
    )

    assert settings.client_auth == "client_secret_basic"
    assert secrets.client_secret == SECRET
    assert len(secrets.cookie_keys) == 2


def test_secrets_are_shown_nowhere() -> None:
    settings, secrets = read({"OIDC_CLIENT_SECRET": SECRET, "COOKIE_KEY": KEY})
    faults = faults_of({"OIDC_CLIENT_SECRET": SECRET, "COOKIE_KEY": f"{KEY},hunter2", "LISTEN": "x"})

    for shown in (repr(secrets), str(secrets), f"{secrets}", repr(settings), "".join(faults)):
        assert SECRET not in shown
        assert KEY not in shown
        assert "hunter2" not in shown
        assert repr(bytes(range(32))) not in shown


def test_the_domain_of_the_original_agent_is_ignored_with_a_warning() -> None:
    with capture_logs() as logs:
        read({"DOMAIN": "example.com"})

    assert [(log["event"], log["name"], log["log_level"]) for log in logs] == [
        ("setting_ignored", "DOMAIN", "warning")
    ]
