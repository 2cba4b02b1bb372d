"""Name patterns of registration tokens: `*` is any text, `?` any one character, case does not count.

Not a regular expression and not a search that steps back: a pattern such as `*a*a*a*b` would make those
take ever longer, and it comes from outside. Here each character of the name is looked at once.
"""

import re

from apiserver.texts import InvalidValueError

PATTERN_FORM = "[A-Za-z0-9._*?-]{1,63}"
_PATTERN = re.compile(PATTERN_FORM)
_STARS = re.compile(r"\*+")


def checked_pattern(text: str) -> str:
    """The pattern, as it is kept; raises `InvalidValueError`."""
    if not _PATTERN.fullmatch(text):
        raise InvalidValueError(
            "A name pattern has 1 to 63 characters: letters, digits, dot, underscore, hyphen, * and ?."
        )
    return text


def fits(pattern: str, name: str) -> bool:
    """Whether the whole name has the form of the pattern.

    Bit i of `reached` says that what was read of the name may end just before character i of the pattern.
    """
    characters = _STARS.sub("*", pattern.lower())
    places: dict[str, int] = {}
    for place, character in enumerate(characters):
        places[character] = places.get(character, 0) | 1 << place
    stars, any_one = places.pop("*", 0), places.pop("?", 0)
    reached = _past_star(1, stars)
    for character in name.lower():
        taken = reached & (places.get(character, 0) | any_one)
        reached = _past_star(taken << 1 | reached & stars, stars)
    return bool(reached >> len(characters))


def _past_star(reached: int, stars: int) -> int:
    """Adds the place behind a star, which may stand for nothing."""
    return reached | (reached & stars) << 1
