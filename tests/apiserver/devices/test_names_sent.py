"""Names, labels and fingerprints over HTTP: which are taken, and what happens when a name is another's."""

from typing import Any

import pytest

from tests.apiserver.machines import DEVICES, Machine, Person, World
from tests.apiserver.made import expire_device

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", ["a", "7", "web-1", "Web.Example_2", "x" * 63])
async def test_a_name_that_is_one(alice: Person, name: str) -> None:
    assert (await alice.register(name=name)).device()["name"] == name


# What would write a line into a WireGuard file, a log, a terminal or a page.
INJECTIONS = {
    "newline": "web\n[Peer]\nAllowedIPs = 0.0.0.0/0",
    "carriage return": "web\rroot",
    "NUL": "web\0",
    "tab": "web\t1",
    "quote": 'we"b',
    "apostrophe": "we'b",
    "SQL": "web'; DROP TABLE devices;--",
    "script": "</script><script>alert(1)</script>",
    "entity": "&lt;web&gt;",
    "template": "{{7*7}}",
    "ANSI": "\x1b[31mweb",
    "bell": "web\x07",
    "C1": "web\x9b31m",
    "right to left": "\u202egpj.bew",
    "isolate": "web\u2066",
    "zero width": "we\u200bb",
    "line separator": "web\u2028x",
    "full width": "ｗｅｂ",  # noqa: RUF001 - they are what is refused
    "Cyrillic a": "wеb",  # noqa: RUF001 - it is what is refused
    "combining": "we\u0301b",
    "emoji": "web🙂",
    "percent": "web%0a",
    "path": "../web",
    "space": "we b",
    "shell": "$(reboot)",
    "60 KB": "x" * 60_000,
}
EDGES = {
    "empty": "",
    "64": "x" * 64,
    "hyphen first": "-web",
    "dot last": "web.",
    "dot": ".",
    "underscore": "_web",
}


@pytest.mark.parametrize("name", (INJECTIONS | EDGES).values(), ids=INJECTIONS | EDGES)
async def test_a_name_that_is_none_is_refused_and_not_repeated(
    alice: Person, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    token = await alice.token(max_uses=1)
    device = (await alice.register(name="there")).device()
    by_token = await token.register(name=name)
    renamed = await alice.call("PATCH", f"{DEVICES}/{device['id']}", json={"name": name})

    assert (by_token.refusal, renamed.refusal) == ((422, "invalid_body"), (422, "invalid_body"))
    assert await token.uses() == 0
    assert len(name) < 2 or name not in by_token.body["detail"] + "".join(capfd.readouterr())


@pytest.mark.parametrize("kind", [kind for kind, text in INJECTIONS.items() if not text.isprintable()])
async def test_a_label_that_cannot_be_printed_on_one_line_is_refused(alice: Person, kind: str) -> None:
    device = (await alice.register()).device()
    labels = {"rack": INJECTIONS[kind]}
    changed = await alice.call("PATCH", f"{DEVICES}/{device['id']}", json={"labels": labels})

    assert (await alice.register(labels=labels)).refusal == (422, "invalid_body")
    assert changed.refusal == (422, "invalid_body")


@pytest.mark.parametrize(
    "value", ["", "a b", 'Zoë\'s "rack"', "</script>", "'; DROP TABLE devices;--", "x" * 255]
)
async def test_other_labels_come_back_as_they_were_sent(alice: Person, value: str) -> None:
    device = (await alice.register(labels={"rack": value})).device()

    assert (await alice.device(device["id"]))["labels"] == {"rack": value}


@pytest.mark.parametrize("key", ["", "A", "-a", "a b", "a\n", "a'", "x" * 64, "ä"], ids=repr)
async def test_a_key_of_a_label_that_is_none(alice: Person, key: str) -> None:
    assert (await alice.register(labels={key: "x"})).refusal == (422, "invalid_body")


@pytest.mark.parametrize("number", [32, 33])
async def test_there_are_at_most_32_labels(alice: Person, number: int) -> None:
    answer = await alice.register(labels={f"label-{index}": "" for index in range(number)})

    assert answer.status == (201 if number == 32 else 422)


@pytest.mark.parametrize(
    "fingerprint", ["", "short", "x" * 129, "with space", "new\nline", "ü" * 10], ids=repr
)
async def test_a_fingerprint_of_another_form_is_refused(alice: Person, fingerprint: str) -> None:
    assert (await alice.register(fingerprint=fingerprint)).refusal == (422, "invalid_body")


async def test_a_body_that_is_too_large_is_refused_unread(alice: Person) -> None:
    answer = await alice.register(name="x" * 1_000_000)

    assert answer.refusal == (413, "request_too_large")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", (422, "invalid_body")),
        (b"[]", (422, "invalid_body")),
        (b"null", (422, "invalid_body")),
        (b'"web"', (422, "invalid_body")),
        (b"{", (400, "bad_request")),
        (b'{"name": "web"} x', (400, "bad_request")),
        (b'{"name": "\xff"}', (400, "bad_request")),
        (b'{"name": "\\ud800"}', (400, "bad_request")),
        (b'{"name": "web", "labels": {"a": "\\ud800"}}', (400, "bad_request")),
        (b'{"name": "web", "tenant_id": "ten\\u0000"}', (422, "invalid_body")),
        (b'{"name": "web", "labels": {"a": "\\\\\\u0000"}}', (422, "invalid_body")),
        (b"[" * 60_000, (400, "bad_request")),
        (b'{"labels": ' * 5_000, (400, "bad_request")),
    ],
    ids=[
        "nothing",
        "list",
        "null",
        "text",
        "cut",
        "more",
        "no UTF-8",
        "surrogate",
        "in a label",
        "NUL",
        "NUL behind a backslash",
        "deep",
        "deeper",
    ],
)
async def test_a_body_that_is_none_is_refused(
    world: World, alice: Person, body: bytes, refusal: tuple[int, str]
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.call("POST", DEVICES, alice.bearer(), data=body, headers=headers)

    assert answer.refusal in {refusal, (422, "invalid_body")}


async def test_what_only_looks_like_a_nul_is_none(alice: Person) -> None:
    assert (await alice.register(labels={"a": "\\u0000"})).status == 201


async def test_another_type_of_body_is_refused(world: World, alice: Person) -> None:
    answer = await world.call(
        "POST", DEVICES, alice.bearer(), data=b'{"name": "web"}', headers={"Content-Type": "text/plain"}
    )

    assert answer.refusal == (415, "unsupported_media_type")


# A name that is another's


async def test_the_second_of_a_name_gets_a_suffix(alice: Person) -> None:
    token = await alice.token()
    names = [(await token.register()).device()["name"] for _ in range(3)]

    assert names[0] == "web"
    assert all(name.startswith("web-") and len(name) == 8 for name in names[1:])
    assert len(set(names)) == 3


async def test_case_makes_no_other_name(alice: Person) -> None:
    await alice.register(name="web")

    assert (await alice.register(name="WEB")).device()["name"].startswith("WEB-")


async def test_a_suffix_stays_within_the_pattern(alice: Person) -> None:
    token = await alice.token(name_pattern="*-prod")
    await token.register(name="web-prod")
    second = (await token.register(name="web-prod")).device()["name"]

    assert second.startswith("web-")
    assert second.endswith("-prod")
    assert second != "web-prod"


async def test_where_no_other_name_fits_the_pattern_it_is_refused_and_burns_nothing(alice: Person) -> None:
    token = await alice.token(name_pattern="web")
    await token.register(Machine())

    assert (await token.register(Machine())).refusal == (409, "name_taken")
    assert await token.uses() == 1


@pytest.mark.parametrize(
    ("pattern", "name", "status"),
    [
        ("node-?", "node-1", 201),
        ("node-?", "node-12", 403),
        ("NODE-*", "node-12", 201),
        ("*a*a*a*a*a*a*a*a*b", "a" * 63, 403),
        ("*", "web", 201),
        ("web", "web-1", 403),
    ],
)
async def test_patterns(alice: Person, pattern: str, name: str, status: int) -> None:
    assert (await (await alice.token(name_pattern=pattern)).register(name=name)).status == status


async def test_the_same_name_in_two_tenants(alice: Person, bob: Person) -> None:
    assert (await alice.register()).device()["name"] == (await bob.register()).device()["name"] == "web"


async def test_a_revoked_devices_name_is_free(alice: Person) -> None:
    first = (await alice.register()).device()
    await alice.do("revoke", first["id"])

    assert (await alice.register()).device()["name"] == "web"


async def test_an_expired_devices_name_is_free(world: World, alice: Person) -> None:
    first = (await alice.register()).device()
    await expire_device(world.storage, first["id"], world.clock.now())

    assert (await alice.register()).device()["name"] == "web"


async def test_a_suspended_devices_name_is_not(alice: Person) -> None:
    first = (await alice.register()).device()
    await alice.do("suspend", first["id"])

    assert (await alice.register()).device()["name"] != "web"


# Changing a device


async def change(person: Person, device_id: str, **said: Any) -> tuple[int, Any]:
    answer = await person.call("PATCH", f"{DEVICES}/{device_id}", json=said)
    return answer.status, answer.body


async def test_a_device_is_renamed_and_its_former_name_is_free(alice: Person) -> None:
    first = (await alice.register()).device()
    status, body = await change(alice, first["id"], name="db")

    assert (status, body["name"]) == (200, "db")
    assert (await alice.register()).device()["name"] == "web"


async def test_a_device_does_not_take_anothers_name(alice: Person) -> None:
    await alice.register(name="db")
    second = (await alice.register()).device()
    status, body = await change(alice, second["id"], name="DB")

    assert (status, body["code"]) == (409, "name_taken")


async def test_a_device_may_change_the_case_of_its_own_name(alice: Person) -> None:
    first = (await alice.register()).device()

    assert (await change(alice, first["id"], name="WEB"))[1]["name"] == "WEB"


async def test_labels_are_replaced_as_a_whole(alice: Person) -> None:
    first = (await alice.register(labels={"a": "1"})).device()
    _, body = await change(alice, first["id"], labels={"b": "2"})

    assert body["labels"] == {"b": "2"}
    assert body["name"] == "web"


async def test_a_change_to_nothing_new_is_no_new_version(alice: Person) -> None:
    first = (await alice.register()).device()
    path = f"{DEVICES}/{first['id']}"
    before = (await alice.call("GET", path)).headers["ETag"]

    assert (await alice.call("PATCH", path, json={"name": "web"})).headers["ETag"] == before
    assert (await alice.call("PATCH", path, json={})).headers["ETag"] == before


@pytest.mark.parametrize(
    "field", ["owner_id", "tenant_id", "state", "public_key", "ipv4", "version", "evidence"]
)
async def test_nothing_else_can_be_changed(alice: Person, field: str) -> None:
    first = (await alice.register()).device()

    assert (await change(alice, first["id"], **{field: "x"}))[1]["code"] == "invalid_body"


@pytest.mark.parametrize("said", [{"name": None}, {"labels": None}, {"taints": None}, {"name": 7}], ids=str)
async def test_a_change_of_another_type_is_refused(alice: Person, said: dict[str, Any]) -> None:
    first = (await alice.register()).device()

    assert (await change(alice, first["id"], **said))[1]["code"] == "invalid_body"


@pytest.mark.parametrize(
    "taints", [["A"], ["a", "a"], ["a b"], ["x" * 64], [f"t{n}" for n in range(33)]], ids=len
)
async def test_taints_of_another_form_are_refused(alice: Person, taints: list[str]) -> None:
    first = (await alice.register()).device()

    assert (await change(alice, first["id"], taints=taints))[1]["code"] == "invalid_body"


# If-Match


async def test_a_change_made_from_an_older_version_is_refused(alice: Person) -> None:
    path = f"{DEVICES}/{(await alice.register()).device()['id']}"
    seen = (await alice.call("GET", path)).headers["ETag"]
    first = await alice.call("PATCH", path, json={"name": "one"}, headers={"If-Match": seen})
    second = await alice.call("PATCH", path, json={"name": "two"}, headers={"If-Match": seen})

    assert first.body["name"] == "one"
    assert first.headers["ETag"] != seen
    assert second.refusal == (412, "precondition_failed")
    assert (await alice.call("GET", path)).body["name"] == "one"


@pytest.mark.parametrize("tag", ['W/"1"', '"1", "2"', "1", '"x"', '"-1"', '"' + "9" * 30 + '"', ""], ids=repr)
async def test_a_tag_that_is_not_ours_changes_nothing(alice: Person, tag: str) -> None:
    path = f"{DEVICES}/{(await alice.register()).device()['id']}"
    answer = await alice.call("PATCH", path, json={"name": "one"}, headers={"If-Match": tag})

    assert answer.refusal == (412, "precondition_failed")


async def test_any_version_may_be_meant(alice: Person) -> None:
    path = f"{DEVICES}/{(await alice.register()).device()['id']}"

    assert (await alice.call("PATCH", path, json={"name": "one"}, headers={"If-Match": "*"})).status == 200
