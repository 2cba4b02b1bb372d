"""What the person at the terminal reads."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Screen:
    """The terminal. When it is gone (a closed window), nobody reads any more and nothing fails."""

    console: Console

    def step(self, sentence: str) -> None:
        self._print(Text(sentence))

    def ready(self, name: str, url: str) -> None:
        self._print(Text.assemble(("  ✓ ", "green"), f"{name:<12}", (url, "dim")))

    def problem(self, sentence: str, details: list[str]) -> None:
        self._print(Text(sentence, style="bold red"), *(Text(f"  {line}", style="dim") for line in details))

    def welcome(self, url: str, passwords: dict[str, str], logs: Path) -> None:
        self._print("", _block(url, passwords), "", Text("Three things to try", style="bold"), "")
        for number, (what, command) in enumerate(_things_to_try(url), start=1):
            # Outside the frame and never wrapped: it is there to be copied.
            self._print(
                Text.assemble((f"  {number}  ", "cyan"), what),
                *(Text(f"     {line}", style="bold") for line in command),
                "",
            )
        self._print(Text(f"Logs are in {logs}/. Ctrl-C stops everything.", style="dim"))

    def _print(self, *what: RenderableType) -> None:
        with suppress(OSError):
            self.console.print(*what, sep="\n", soft_wrap=True)


def _block(url: str, passwords: dict[str, str]) -> Panel:
    table = Table.grid(padding=(0, 3))
    table.add_row("", Text("user", style="dim"), Text("password", style="dim"))
    for number, (user, password) in enumerate(passwords.items()):
        table.add_row(Text("Log in as" if number == 0 else ""), Text(user, style="bold"), Text(password))
    address = Text.assemble("Open        ", (url, f"bold cyan link {url}"))
    return Panel(
        Group(address, "", table),
        title=Text("Doorward is running", style="bold green"),
        border_style="green",
        padding=(1, 3),
        expand=False,
    )


def _things_to_try(url: str) -> list[tuple[str, list[str]]]:
    doorward = ".venv/bin/doorward"
    return [
        ("Log in with a browser", [url]),
        ("Log in from a terminal", [f"{doorward} login --server {url}"]),
        (
            "Call the API with the access token of that login",
            [
                # The token goes by a pipe: arguments of a program can be read by everybody on the machine.
                f'echo "Authorization: Bearer $({doorward} token --server {url})" |',
                f"     curl -H @- {url}/api/v1/users/me",
            ],
        ),
    ]
