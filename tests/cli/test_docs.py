"""`docs/cli.md` names what there is."""

from pathlib import Path

from cli.errors import ExitCode
from cli.main import doorward

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_exit_code_is_documented() -> None:
    for code in ExitCode:
        assert f"\n| {code.value} | " in DOCUMENT


def test_every_command_and_option_is_documented() -> None:
    options = {
        name for command in doorward.commands.values() for part in command.params for name in part.opts
    }

    for command in doorward.commands:
        assert f"| `doorward {command}" in DOCUMENT
    for option in options:
        assert option in DOCUMENT
