"""Reads a JSON object field by field and collects every fault as a sentence, so that all are told at once."""

from collections.abc import Mapping


class Section:
    """One object of the configuration.

    A faulty field is noted and gives an empty stand-in: look at `faults` before using what was read.
    """

    def __init__(self, value: object, name: str, faults: list[str]) -> None:
        self.name = name
        self.faults = faults
        self._unread: dict[str, object] = {}
        self._is_object = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self._unread = dict(value)
        else:
            faults.append(f"{name} must be a JSON object.")

    def fault(self, sentence: str) -> None:
        # What is no object at all is not also told that each of its fields is missing.
        if self._is_object:
            self.faults.append(f"{self.name}: {sentence}")

    def text(self, key: str) -> str:
        if key not in self._unread:
            self.fault(f"`{key}` is missing.")
            return ""
        return self.optional_text(key) or ""

    def optional_text(self, key: str) -> str | None:
        value = self._unread.pop(key, None)
        if value is None or (isinstance(value, str) and value):
            return value
        self.fault(f"`{key}` must be a text that is not empty.")
        return None

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._unread.pop(key, None)
        if value is None:
            return default
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        self.fault(f"`{key}` must be a list of texts.")
        return default

    def seconds(self, key: str, default: int) -> int:
        value = self._unread.pop(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        self.fault(f"`{key}` must be a whole number of seconds above 0.")
        return default

    def section(self, key: str) -> "Section":
        return Section(self._unread.pop(key, {}), f"`{key}`", self.faults)

    def sections(self, key: str) -> "list[Section]":
        value = self._unread.pop(key, None)
        if isinstance(value, list) and value:
            return [Section(item, f"`{key}` number {n}", self.faults) for n, item in enumerate(value, 1)]
        self.fault(f"`{key}` must be a list with at least one entry.")
        return []

    def finish(self) -> None:
        """Note what nobody asked for: a misspelt key must not look as if it worked."""
        for key in self._unread:
            self.fault(f"`{key}` is not known here; remove it or correct its spelling.")
