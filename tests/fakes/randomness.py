"""Randomness that a test knows beforehand."""


class FixedRandomness:
    """The same byte, as often as it is asked for."""

    def __init__(self, byte: int) -> None:
        self._byte = byte

    def token_bytes(self, length: int) -> bytes:
        return bytes([self._byte]) * length
