"""`/signing-keys` on the private listener: for the operator, and for no page in their browser."""

import pytest

from tests.apiserver.credentials import Office
from tests.raw_client import connect


async def test_all_keys_are_told_with_their_states(desk: Office) -> None:
    await desk.rotate()
    await desk.rotate(compromised=True)
    await desk.rotate()

    answer = await desk.server.private.get("/signing-keys")

    items = (await answer.json())["items"]
    assert sorted(item["state"] for item in items) == ["pending", "signing", "withdrawn", "withdrawn"]
    assert {name for item in items for name in item} == {
        "kid", "algorithm", "state", "created_at", "signs_from", "withdrawn_at",
    }  # fmt: skip


async def count(desk: Office) -> int:
    return len((await (await desk.server.private.get("/signing-keys")).json())["items"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "http://127.0.0.1:9082"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({"Host": "evil.example.com"}, 403),
        ({"Host": "evil.example.com:9082"}, 403),
        ({"Host": "localhost.evil.example.com"}, 403),
        ({"Host": "127.0.0.1.evil.example.com"}, 403),
        ({"Host": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
    ids=str,
)
async def test_a_web_page_rotates_nothing(desk: Office, headers: dict[str, str], status: int) -> None:
    sent = {"Content-Type": "application/json", **headers}

    answer = await desk.server.private.post(
        "/signing-keys/rotate", data=b'{"compromised": true}', headers=sent
    )

    assert answer.status == status
    assert await count(desk) == 1


async def test_a_page_that_sends_no_body_rotates_nothing(desk: Office) -> None:
    answer = await desk.server.private.post("/signing-keys/rotate", skip_auto_headers=["Content-Type"])

    assert answer.status == 415
    assert await count(desk) == 1


@pytest.mark.parametrize("headers", [{"Origin": "http://x"}, {"Host": "evil.example.com"}], ids=str)
async def test_a_web_page_reads_nothing(desk: Office, headers: dict[str, str]) -> None:
    assert (await desk.server.private.get("/signing-keys", headers=headers)).status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9082", "localhost:9082", "localhost", "[::1]:9082", "10.0.0.7:9082", "LOCALHOST:1"]
)
async def test_by_address_the_operator_is_answered(desk: Office, host: str) -> None:
    headers = {"Host": host, "Sec-Fetch-Site": "none"}

    assert (await desk.server.private.get("/signing-keys", headers=headers)).status == 200


@pytest.mark.parametrize("body", ['{"compromised": "yes"}', '{"compromise": true}', "[]", "{", "true"])
async def test_a_body_that_is_misspelt_rotates_nothing(desk: Office, body: str) -> None:
    answer = await desk.server.private.post(
        "/signing-keys/rotate", data=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status in {400, 422}
    assert await count(desk) == 1


async def test_other_methods_rotate_nothing(desk: Office) -> None:
    for method, path in (
        ("GET", "/signing-keys/rotate"),
        ("POST", "/signing-keys"),
        ("PUT", "/signing-keys"),
    ):
        answer = await desk.server.private.request(method, path, json={})
        assert answer.status == 405
    assert await count(desk) == 1


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "evil.example.com"], ["evil.example.com", "127.0.0.1"]])
async def test_who_names_no_host_or_two_may_not_ask(desk: Office, hosts: list[str]) -> None:
    client = await connect(f"http://127.0.0.1:{desk.server.private.port}")
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    client.send(f"GET /signing-keys HTTP/1.0\r\n{lines}\r\n".encode())

    assert (await client.answer()).status in {400, 403}
    client.close()
