"""The apiserver's configuration: what it takes, and that all faults are told at once."""

import base64
from pathlib import Path

import pytest

from apiserver.settings import read_database, read_settings
from apiserver.storage.location import DatabaseLocation, PostgresAddress, SqliteFile
from common.env import ListenAddress, SettingsError

GOOD = {
    "OIDC_PROVIDER": "https://issuer.example/realm",
    "OIDC_AUDIENCE": "doorward-api",
    "DATABASE_URL": "sqlite:////var/lib/doorward/doorward.db",
}

POSTGRESQL = "postgresql://doorward:hunter2@db.internal/doorward"
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


def faults_of(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read_settings(GOOD | changes)
    return refused.value.faults


def database_of(url: str) -> DatabaseLocation:
    return read_settings(GOOD | {"DATABASE_URL": url, "SERVER_KEY": KEY})[0].database


def test_three_variables_are_enough_and_all_is_loopback() -> None:
    settings, secrets = read_settings(GOOD)

    assert settings.listen == ListenAddress("127.0.0.1", 8082)
    assert settings.private_listen == ListenAddress("127.0.0.1", 9082)
    assert settings.provider == "https://issuer.example/realm"
    assert settings.backchannel is None
    assert settings.audience == "doorward-api"
    assert settings.token_audiences == ("doorward-api",)
    assert settings.public_url == "http://127.0.0.1:8082"
    assert settings.database == SqliteFile(Path("/var/lib/doorward/doorward.db"))
    assert secrets.server_keys is None
    assert settings.trusted_proxies == ()
    assert not settings.insecure_tls
    assert not settings.debug


def test_a_database_path_may_be_relative() -> None:
    assert database_of("sqlite:///data/x.db") == SqliteFile(Path("data/x.db"))


def test_all_faults_are_told_together_and_each_names_its_variable() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"LISTEN": "nowhere", "TRUSTED_PROXIES": "everyone", "DEBUG": "perhaps"})

    named = [fault.split()[0] for fault in refused.value.faults]
    assert sorted(named) == [
        "DATABASE_URL",
        "DEBUG",
        "LISTEN",
        "OIDC_AUDIENCE",
        "OIDC_PROVIDER",
        "TRUSTED_PROXIES",
    ]


@pytest.mark.parametrize(
    "url",
    ["mysql://user:hunter2@host/db", "postgres://user:hunter2@host/db", "sqlite://", "sqlite:///", "sqlite:///:memory:",
     "sqlite:///x.db?mode=ro", "/var/lib/doorward.db"],
)  # fmt: skip
def test_what_names_no_database_is_refused_and_not_repeated(url: str) -> None:
    (fault,) = faults_of(DATABASE_URL=url)

    assert fault.startswith("DATABASE_URL names no database that can be used: write sqlite:///relative/path")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://doorward:hunter2@db.internal:5432/doorward",
        "postgresql://doorward@db.internal/doorward",
        "postgresql://d%40e:w%2Fo%3Frd@[::1]:5433/name",
        "postgresql://doorward:hunter2@host/name?sslmode=require",
        "postgresql://doorward@/name?host=/run/postgresql",
    ],
)
def test_a_database_may_be_one_of_postgresql(url: str) -> None:
    assert database_of(url) == PostgresAddress(url)


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ("u:hunter2@host/name#x", "has a # or an odd character"),
        ("u:hun ter2@host/name", "has a # or an odd character"),
        ("u:hunter2\x7f@host/name", "has a # or an odd character"),
        ("u:hun/hunter2@host/name", "has an @ or / in its credentials"),
        ("u:hun@hunter2@host/name", "has an @ or / in its credentials"),
        ("host/name", "names no user"),
        (":hunter2@host/name", "names no user"),
        ("u:hunter2@host", "names no database"),
        ("u:hunter2@host/", "names no database"),
        ("u:hunter2@/name", "must name one host"),
        ("u:hunter2@host/name?host=/run", "must name one host"),
        ("u:hunter2@host:/name", "has a port that is no number"),
        ("u:hunter2@host:0/name", "has a port that is no number"),
        ("u:hunter2@host:65536/name", "has a port that is no number"),
        ("u:hunter2@one:1,two:2/name", "has a port that is no number"),
        ("u:hunter2@[::1]:x/name", "has a port that is no number"),
        ("u:hunter2@host/name?options=-cfsync=off", "has an option that is unknown"),
        ("u:hunter2@host/name?password=hunter2", "has an option that is unknown"),
        ("u:hunter2@host/name?sslmode=", "has an option that is"),
        (
            "u:hunter2@host/name?sslmode=require&sslmode=disable",
            "has an option that is",
        ),
        ("u:hunter2@host/name?sslmode=full", "has an unknown sslmode"),
        (
            "u:hunter2@host/name?sslmode=verify-full",
            "has sslmode=verify-full but does not say who",
        ),
        ("u:hunter2@host/name?sslrootcert=/nowhere.pem", "has an sslrootcert that cannot be found"),
    ],
)
def test_an_address_of_postgresql_that_cannot_be_used_is_told_without_the_password(
    rest: str, complaint: str
) -> None:
    (fault,) = faults_of(DATABASE_URL=f"postgresql://{rest}", SERVER_KEY=KEY)

    assert fault.startswith(f"DATABASE_URL {complaint}")
    assert "hunter2" not in fault


def test_the_file_of_authorities_may_be_any_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    url = f"postgresql://u@h/n?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"

    assert database_of(url) == PostgresAddress(url)


def test_with_postgresql_a_server_key_is_required() -> None:
    (fault,) = faults_of(DATABASE_URL=POSTGRESQL)

    assert fault.startswith("SERVER_KEY is not set: all servers on one PostgreSQL database need the same.")


def test_the_first_of_several_server_keys_comes_first() -> None:
    _, secrets = read_settings(GOOD | {"SERVER_KEY": f"{OTHER_KEY},{KEY}"})

    assert secrets.server_keys == (bytes(range(1, 33)), bytes(range(32)))


@pytest.mark.parametrize("key", ["changeme", f"{KEY},short", ",", "A" * 43])
def test_a_server_key_that_is_none_is_told_and_not_repeated(key: str) -> None:
    assert faults_of(SERVER_KEY=key) == [
        "SERVER_KEY must be 32 random bytes in base64: make one with `openssl rand -base64 32`."
    ]


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{POSTGRESQL}\n")
    (tmp_path / "key").write_text(f"{KEY}\n")
    files = {"DATABASE_URL_FILE": str(tmp_path / "url"), "SERVER_KEY_FILE": str(tmp_path / "key")}

    settings, secrets = read_settings(GOOD | {"DATABASE_URL": ""} | files)

    assert settings.database == PostgresAddress(POSTGRESQL)
    assert secrets.server_keys == (bytes(range(32)),)


def test_secrets_are_shown_nowhere() -> None:
    settings, secrets = read_settings(GOOD | {"DATABASE_URL": POSTGRESQL, "SERVER_KEY": KEY})

    for shown in (repr(settings), str(settings), repr(secrets), f"{secrets}"):
        assert "hunter2" not in shown
        assert KEY not in shown
        assert repr(bytes(range(32))) not in shown


def test_a_command_that_needs_the_database_alone_needs_nothing_else() -> None:
    assert read_database({"DATABASE_URL": "sqlite:///x.db"}) == SqliteFile(Path("x.db"))
    assert read_database({"DATABASE_URL": POSTGRESQL}) == PostgresAddress(POSTGRESQL)


def test_a_command_that_needs_the_database_says_when_there_is_none() -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set: write sqlite:///"):
        read_database({})


def test_a_provider_by_plain_http_is_taken_on_this_machine_only() -> None:
    (fault,) = faults_of(OIDC_PROVIDER="http://issuer.example")

    assert fault.startswith("OIDC_PROVIDER ")
    settings, _ = read_settings(GOOD | {"OIDC_PROVIDER": "http://127.0.0.1:9000"})
    assert settings.provider == "http://127.0.0.1:9000"


def test_the_issuer_of_our_jwts_is_an_origin() -> None:
    assert (
        read_settings(GOOD | {"PUBLIC_URL": "https://Door.example:443/"})[0].public_url
        == "https://door.example"
    )
    assert read_settings(GOOD | {"LISTEN": "[::1]:80"})[0].public_url == "http://[::1]"


@pytest.mark.parametrize(
    "url",
    [
        "door.example",
        "https://door.example/path",
        "https://u:p@door.example",
        "https://door.example?x=1",
        "ftp://x",
    ],
)
def test_what_is_no_origin_is_no_issuer(url: str) -> None:
    (fault,) = faults_of(PUBLIC_URL=url)

    assert fault.startswith("PUBLIC_URL ")


@pytest.mark.parametrize(
    "provider", ["https://door.example", "https://door.example/", "https://door.example:443"]
)
def test_the_provider_is_never_ourselves(provider: str) -> None:
    (fault,) = faults_of(PUBLIC_URL="https://door.example", OIDC_PROVIDER=provider)

    assert fault == "PUBLIC_URL is OIDC_PROVIDER: JWTs of both would have the same issuer."


def test_the_audiences_of_an_exchange() -> None:
    settings, _ = read_settings(GOOD | {"TOKEN_AUDIENCES": "reports, https://shop.example/api,doorward-api"})

    assert settings.token_audiences == ("reports", "https://shop.example/api", "doorward-api")


@pytest.mark.parametrize("audiences", ["reports,reports", "r\u00e9ports", "re\x01ports"])
def test_audiences_that_cannot_be_used(audiences: str) -> None:
    (fault,) = faults_of(TOKEN_AUDIENCES=audiences)

    assert fault.startswith("TOKEN_AUDIENCES ")
