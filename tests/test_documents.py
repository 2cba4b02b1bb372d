"""What the documents say is what the code does."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

import apiserver.settings
import bff.settings
from apiserver.janitor import KEEPING
from common.env import SettingsError
from common.randomness import SystemRandomness

ROOT = Path(__file__).parent.parent
SECRETS = {
    "SESSION_STORE",
    "RATE_LIMIT_STORE",
    "OIDC_CLIENT_SECRET",
    "OIDC_CLIENT_KEY",
    "COOKIE_KEY",
    "DATABASE_URL",
    "SERVER_KEY",
}


class Recording(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: object = None) -> str:
        self.asked.add(name)
        return ""


def names_read_by(read: Callable[[Mapping[str, str]], object]) -> set[str]:
    environment = Recording()
    with pytest.raises(SettingsError):
        read(environment)
    return {name for name in environment.asked if not name.endswith("_FILE")}


def settings_read() -> set[str]:
    return names_read_by(
        lambda values: bff.settings.read_settings(values, SystemRandomness())
    ) | names_read_by(apiserver.settings.read_settings)


def test_every_setting_is_in_the_table_of_settings() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == settings_read()


def test_every_setting_is_in_the_example_file() -> None:
    text = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))

    assert {name for name in named if not name.endswith("_FILE")} == settings_read()
    assert {name.removesuffix("_FILE") for name in named if name.endswith("_FILE")} <= SECRETS


def test_every_keeping_time_is_in_the_table_of_keeping_times() -> None:
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d+) (days|hours) \|", text, re.MULTILINE)

    assert {what: timedelta(**{unit: int(number)}) for what, number, unit in rows} == {
        keeping.what: keeping.kept for keeping in KEEPING
    }


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "console" / "README.md"]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]

    missing = [target for target in local if not (path.parent / target).exists()]

    assert missing == []


def test_the_files_that_the_documents_name_exist() -> None:
    documents = [ROOT / "docs" / "journeys.md", ROOT / "docs" / "proxy.md", ROOT / "docs" / "sessions.md"]
    documents += (ROOT / "docs" / "decisions").glob("*.md")
    named = {
        name
        for path in documents
        for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", path.read_text(encoding="utf-8"))
    }

    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_make_command_in_the_documents_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {
        word
        for path in documents()
        for word in re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z-]+)`", path.read_text(encoding="utf-8"))
    }

    assert named <= targets
