"""Numbers as base62 text: letters and digits only, so that a double click selects the whole of it."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


# Two digits at once: each id and secret is written in it, several for a registration.
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


def base62(number: int, length: int) -> str:
    """`number` in exactly `length` characters, which sort as the numbers do.

    Raises `OverflowError` where it does not fit: cut short, two numbers could have one text.
    """
    pairs: list[str] = []
    for _ in range((length + 1) // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    text = "".join(reversed(pairs))
    too_many = len(text) - length
    if number or text[:too_many].strip(ALPHABET[0]):
        raise OverflowError(f"the number needs more than {length} characters")
    return text[too_many:]
