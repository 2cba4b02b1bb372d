"""`docs/cli.md` names what there is."""

from collections.abc import Iterator
from pathlib import Path

import click

from cli.errors import ExitCode
from cli.main import doorward

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def all_commands(
    command: click.Command = doorward, *words: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group, with the words behind `doorward` that name it."""
    yield words, command
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from all_commands(below, *words, word)


def test_every_exit_code_is_documented() -> None:
    for code in ExitCode:
        assert f"\n| {code.value} | " in DOCUMENT


def test_every_command_and_option_is_documented() -> None:
    commands = {
        " ".join(("doorward", *words)): command
        for words, command in all_commands()
        if not isinstance(command, click.Group)
    }
    options = {
        name
        for command in commands.values()
        for part in command.params
        if isinstance(part, click.Option)
        for name in (*part.opts, *part.secondary_opts)
    }

    assert "doorward routes explain" in commands
    for command in commands:
        assert f"| `{command}" in DOCUMENT
    for option in options:
        assert option in DOCUMENT
