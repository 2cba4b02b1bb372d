"""Services behind TLS: who shows no certificate that the system trusts, for the name asked, gets nothing."""

from pathlib import Path

import pytest
import yarl

from tests.bff.dataplane.door import open_door
from tests.fakes.raw_upstream import run_raw_upstream
from tests.fakes.tls_front import tls_front


@pytest.mark.parametrize(
    ("host", "is_trusted", "status"),
    [("127.0.0.1", True, 200), ("127.0.0.1", False, 502), ("localhost", True, 502)],
    ids=["trusted", "a stranger's certificate", "the certificate of another name"],
)
async def test_a_service_shows_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_trusted: bool, status: int
) -> None:
    async with (
        run_raw_upstream() as service,
        tls_front(tmp_path, yarl.URL(service.url).port or 0) as front,
    ):
        if is_trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(front.certificate))
        async with open_door("protocols", BACKEND=f"https://{host}:{front.port}") as door:
            answer = await door.ask(door.head("GET /api/x", "X-Id: over TLS"))

        assert answer.status == status
        assert len(service.heads) == (1 if status == 200 else 0)
