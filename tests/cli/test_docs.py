"""`docs/cli.md` names what there is."""

from collections.abc import Iterator
from pathlib import Path

import click

from cli.errors import ExitCode
from cli.main import doorward

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands_below(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """What can be run, each with the words that run it."""
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_below(f"{name} {word}", command)
        else:
            yield f"{name} {word}", command


def test_every_exit_code_is_documented() -> None:
    for code in ExitCode:
        assert f"\n| {code.value} | " in DOCUMENT


def test_every_command_and_option_is_documented() -> None:
    commands = dict(commands_below("doorward", doorward))
    options = {
        name
        for command in commands.values()
        for part in command.params
        if isinstance(part, click.Option)
        for name in part.opts
    }

    assert "doorward routes explain" in commands
    for command in commands:
        assert f"| `{command}" in DOCUMENT
    for option in options:
        assert option in DOCUMENT
