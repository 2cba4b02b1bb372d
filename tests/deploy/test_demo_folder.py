"""The demo's folder: private, kept from start to start, held by one demo at a time."""

from pathlib import Path

import pytest

from common.randomness import SystemRandomness
from deploy.demo.errors import DemoError
from deploy.demo.folder import Folder, write_private
from deploy.demo.secrets_kept import USERS, keep_secrets


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "demo")
    folder.prepare()
    return folder


def test_secrets_are_made_once_and_kept(folder: Folder) -> None:
    first = keep_secrets(folder, SystemRandomness())
    second = keep_secrets(folder, SystemRandomness())

    assert first.client_secret == second.client_secret
    assert first.passwords == second.passwords


def test_every_secret_is_another_one(folder: Folder) -> None:
    kept = keep_secrets(folder, SystemRandomness())

    assert set(kept.passwords) == set(USERS)
    assert len({kept.client_secret, *kept.passwords.values()}) == 4


def test_only_the_owner_reads_what_is_in_it(folder: Folder) -> None:
    keep_secrets(folder, SystemRandomness())
    folder.keep_ports({"public": 8080})

    modes = {path: path.stat().st_mode & 0o777 for path in folder.path.rglob("*")}
    assert set(modes.values()) == {0o700, 0o600}
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_file_is_replaced_whole(folder: Folder) -> None:
    write_private(folder.provider_config, "long long long")
    write_private(folder.provider_config, "short")

    assert folder.provider_config.read_text() == "short"


def test_secrets_do_not_show_in_a_repr(folder: Folder) -> None:
    kept = keep_secrets(folder, SystemRandomness())

    assert kept.client_secret not in repr(kept)
    assert kept.passwords["alice"] not in repr(kept)


def test_a_second_demo_in_it_is_told_about_the_first(folder: Folder) -> None:
    with (
        folder.alone("http://localhost:8080, process 4711"),
        pytest.raises(DemoError, match=r"already runs in .*http://localhost:8080, process 4711"),
        folder.alone("never"),
    ):
        pass


def test_after_the_first_the_second_may_start(folder: Folder) -> None:
    with folder.alone("a long note of the first"):
        pass

    with folder.alone("second"), pytest.raises(DemoError, match=r"\(second\)"), folder.alone("third"):
        pass


@pytest.mark.parametrize("content", ["", "[]", '{"provider": "x"}', '{"provider": null}', "\x00"])
def test_damaged_ports_are_forgotten(folder: Folder, content: str) -> None:
    folder.keep_ports({})
    (folder.path / "ports.json").write_text(content)

    assert folder.ports() == {}
