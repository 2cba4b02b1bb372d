"""The apiserver's configuration: what it takes, and that all faults are told at once."""

from pathlib import Path

import pytest

from apiserver.settings import read_settings
from common.env import ListenAddress, SettingsError

GOOD = {
    "OIDC_PROVIDER": "https://issuer.example/realm",
    "OIDC_AUDIENCE": "doorward-api",
    "DATABASE_URL": "sqlite:////var/lib/doorward/doorward.db",
}


def faults_of(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read_settings(GOOD | changes)
    return refused.value.faults


def test_three_variables_are_enough_and_all_is_loopback() -> None:
    settings = read_settings(GOOD)

    assert settings.listen == ListenAddress("127.0.0.1", 8082)
    assert settings.private_listen == ListenAddress("127.0.0.1", 9082)
    assert settings.provider == "https://issuer.example/realm"
    assert settings.backchannel is None
    assert settings.audience == "doorward-api"
    assert settings.database == Path("/var/lib/doorward/doorward.db")
    assert settings.trusted_proxies == ()
    assert not settings.insecure_tls
    assert not settings.debug


def test_a_database_path_may_be_relative() -> None:
    assert read_settings(GOOD | {"DATABASE_URL": "sqlite:///data/x.db"}).database == Path("data/x.db")


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
    ["postgresql://user:word@host/db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///x.db?mode=ro",
     "/var/lib/doorward.db"],
)  # fmt: skip
def test_a_database_that_is_no_sqlite_file_is_refused_and_not_repeated(url: str) -> None:
    (fault,) = faults_of(DATABASE_URL=url)

    assert fault.startswith("DATABASE_URL ")
    assert "word" not in fault


def test_a_provider_by_plain_http_is_taken_on_this_machine_only() -> None:
    (fault,) = faults_of(OIDC_PROVIDER="http://issuer.example")

    assert fault.startswith("OIDC_PROVIDER ")
    assert (
        read_settings(GOOD | {"OIDC_PROVIDER": "http://127.0.0.1:9000"}).provider == "http://127.0.0.1:9000"
    )
