"""Which thing is meant by a label, which people give as they like."""

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from cli.errors import CliError
from cli.replies import Told

_ENDED: Final = frozenset({"revoked", "expired"})


class Labelled(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def state(self) -> str: ...


T = TypeVar("T", bound=Labelled)


def labelled(things: Iterable[Told[T]], label: str, *, kind: str, listed_by: str) -> Told[T]:
    """The only one with this label; raises `CliError`. `kind` is in the singular."""
    found = [thing for thing in things if thing.value.label == label]
    # A label is often given again when what had it has ended.
    living = [thing for thing in found if thing.value.state not in _ENDED] or found
    if len(living) > 1:
        ids = ", ".join(thing.value.id for thing in living)
        raise CliError(
            f"{len(living)} {kind}s have the label {label}: {ids}.",
            "Name one by its id.",
        )
    if not living:
        raise CliError(
            f"There is no {kind} {label} that you may see.",
            f"Look at `{listed_by}`; --tenant names another tenant than your own.",
        )
    return living[0]
