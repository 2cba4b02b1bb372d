"""Numbers as base62 text: letters and digits only, so that a double click selects the whole of it."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, length: int) -> str:
    """`number` in exactly `length` characters, which sort as the numbers do.

    Raises `OverflowError` where it does not fit: cut short, two numbers could have one text.
    """
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    if number:
        raise OverflowError(f"the number needs more than {length} characters")
    return "".join(reversed(digits))
