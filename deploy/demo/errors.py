"""Why the demo cannot start or go on."""


class DemoError(Exception):
    """Its text is for the person at the terminal: a sentence with the remedy."""
