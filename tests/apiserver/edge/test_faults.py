"""`/authz` while something is away, and what it leaves in the log and the metrics."""

from dataclasses import replace
from pathlib import Path

import pytest

from apiserver.errors import StorageUnavailableError
from tests.apiserver.broken import broken_server
from tests.apiserver.credentials import Office
from tests.apiserver.edge.answers import jwt_in, refused
from tests.apiserver.server import api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer


async def test_while_the_storage_is_away_nobody_can_tell(
    desk: Office, issuer: FakeIssuer, database: Path
) -> None:
    """But who a user is, the provider's keys tell."""
    error = StorageUnavailableError("down")
    async with broken_server(desk.server, issuer, database, error) as broken:
        there = replace(desk, server=broken)
        away = await there.authz(desk.secret("device"))

        assert await refused(away) == (503, "store_unavailable")
        assert int(away.headers["Retry-After"]) > 0
        assert (await there.authz(issuer.access_token("alice"))).status == 200


async def test_while_the_provider_is_away_nobody_can_tell_of_users(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    issuer.broken(discovery=True)
    async with api_server(issuer, database, clock) as server:
        headers = {"Authorization": f"Bearer {issuer.access_token('alice')}"}

        assert await refused(await server.private.get("/authz/x", headers=headers)) == (
            503,
            "provider_unavailable",
        )


async def test_an_error_of_ours_tells_nothing_of_anybody(
    desk: Office, issuer: FakeIssuer, database: Path
) -> None:
    async with broken_server(desk.server, issuer, database, ZeroDivisionError()) as broken:
        answer = await replace(desk, server=broken).authz(desk.secret("device"))

        assert await refused(answer) == (500, "internal_error")


async def test_each_question_has_a_line_in_the_log_without_a_secret(
    desk: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await desk.jwt()
    capsys.readouterr()
    signed = jwt_in(await desk.authz(desk.secret("device"), f"/authz/x/{token}?y={token}"))
    await desk.authz(token)
    await desk.authz(X_Device_Key=desk.secret("device") + "x")

    log = capsys.readouterr().out
    assert log.count("route=/authz/{path}") == 3
    assert f"caller=device caller_id={desk.device['id']}" in log
    for secret in (desk.secret("device"), token, signed):
        assert secret not in log
        assert secret.rpartition(".")[2] not in log


async def test_probes_have_none(desk: Office, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    await desk.server.private.get("/healthz")

    assert "route=/healthz" not in capsys.readouterr().out


async def test_each_question_is_counted(desk: Office) -> None:
    await desk.authz()

    metrics = await (await desk.server.private.get("/metrics")).text()
    assert 'http_requests_total{method="GET",route="/authz/{path}",status="401"} 1.0' in metrics
