"""Which tenant is meant: by its id, or by a name that only one of the user's tenants has."""

import re
from typing import Final

from cli.errors import CliError
from cli.user_api import UserApi

_ID: Final = re.compile(r"ten_[0-9A-Za-z]{22}")


def tenant_id_of(api: UserApi, id_or_name: str | None) -> str | None:
    """None stays None, which is the personal tenant. Raises `CliError`."""
    if id_or_name is None or _ID.fullmatch(id_or_name):
        return id_or_name
    named = [tenant.id for tenant in api.me().value.tenants if tenant.name == id_or_name]
    if len(named) > 1:
        raise CliError(
            f"You are in {len(named)} tenants called {id_or_name}: {', '.join(named)}.", "Name one by its id."
        )
    if not named:
        raise CliError(f"You are in no tenant called {id_or_name}.", "Look at `doorward whoami`.")
    return named[0]
