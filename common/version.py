"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version


def _installed_version() -> str:
    try:
        return version("doorward")
    except PackageNotFoundError:
        return "0+unknown"  # run from a checkout that was never installed


VERSION = _installed_version()
