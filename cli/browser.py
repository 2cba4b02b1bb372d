"""A browser for the login, where there is one that a person sees."""

import webbrowser
from collections.abc import Mapping


def has_graphical_session(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser that is opened here shows on the person's screen."""
    if environment.get("CI"):
        return False
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return True
    is_remote = bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))
    return platform == "darwin" and not is_remote


def open_browser(address: str) -> bool:
    """Whether it could be opened; the person has the address in any case.

    The address stands in the browser's process arguments. It holds the user code, which is good only for
    a person who is logged in at the provider, and never a token.
    """
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
