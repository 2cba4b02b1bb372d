"""Writes docs/openapi.json as the server answers it: `.venv/bin/python -m tests.apiserver.write_openapi`."""

import asyncio
import json
import tempfile
from pathlib import Path

from tests.apiserver.server import ApiServer, api_server
from tests.fakes.issuer import FakeIssuer

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


async def served_document(server: ApiServer) -> str:
    answer = await server.public.get("/openapi.json")
    return json.dumps(await answer.json(), indent=2) + "\n"


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with FakeIssuer.start() as issuer, api_server(issuer, Path(directory) / "x.db") as server:
            DOCUMENT.write_text(await served_document(server))


if __name__ == "__main__":
    asyncio.run(main())
