"""The API as the logged-in user."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from cli import api
from cli.access import Access
from cli.answers import User
from cli.client import Client
from cli.replies import Document, Told, converted, expect, told

PAGE_SIZE = 200

T = TypeVar("T")


class _Page(msgspec.Struct, frozen=True):
    items: tuple[Document, ...]
    next_cursor: str | None = None


@dataclass(frozen=True)
class UserApi:
    """Raises `CliError`; a token that the server refuses is refreshed once (`Access.use`)."""

    client: Client
    access: Access
    server: str

    def me(self) -> Told[User]:
        return self.access.use(
            self.server, lambda access_token: api.ask_who_i_am(self.client, self.server, access_token)
        )

    def ask(
        self,
        type_: type[T],
        method: str,
        path: str,
        body: object = None,
        *,
        idempotency_key: str | None = None,
    ) -> Told[T]:
        def send(access_token: str) -> Told[T]:
            answer = self.client.call(
                method, f"{self.server}{path}", access_token, body, idempotency_key=idempotency_key
            )
            return told(answer, self.server, type_)

        return self.access.use(self.server, send)

    def each(self, type_: type[T], path: str, query: Mapping[str, str | None]) -> Iterator[Told[T]]:
        """The things of a list in its order, page after page."""
        given = {name: value for name, value in query.items() if value is not None}
        cursor: str | None = ""
        while cursor is not None:
            page = self._page(
                path, {"limit": str(PAGE_SIZE), **given, **({"cursor": cursor} if cursor else {})}
            )
            for document in page.items:
                yield Told(converted(document, self.server, type_), document)
            # A server that names the same page again would keep us here for ever.
            cursor = page.next_cursor if page.next_cursor != cursor else None

    def _page(self, path: str, query: Mapping[str, str]) -> _Page:
        address = f"{self.server}{path}?{urlencode(query)}"
        return self.access.use(
            self.server,
            lambda access_token: expect(
                self.client.get(address, access_token=access_token), self.server, _Page
            ),
        )
