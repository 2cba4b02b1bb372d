"""`doorward service-token` against the real API server."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apiserver.auth.scopes import Scope
from apiserver.tenants.tenants import DeviceApproval, Role
from cli.errors import ExitCode
from tests.apiserver.callers import Reply, holder
from tests.cli.conftest import Machine, Result
from tests.cli.real_api import RealApi


@pytest.fixture
def alice(machine: Machine, api: RealApi, folder: Path) -> Machine:
    """The command line of alice, who is logged in."""
    api.log_in(folder)
    return machine


def run(machine: Machine, *arguments: str) -> Result:
    return machine.run("service-token", *arguments)


def create(machine: Machine, label: str = "ci", *options: str) -> dict[str, Any]:
    result = run(machine, "create", "--json", "--label", label, "--scope", "devices:read", *options)
    assert result.code == ExitCode.SUCCESS, result.err
    return dict(json.loads(result.out))


def devices_seen_by(api: RealApi, secret: str) -> Reply:
    return api.run(holder(api.server, secret).call("GET", "/devices"))


class TestCreate:
    def test_a_pipe_gets_the_secret_alone(self, alice: Machine, api: RealApi) -> None:
        result = run(alice, "create", "--label", "ci", "--scope", "devices:read")

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        assert result.out.startswith("dws_")
        assert result.out.count("\n") == 1
        assert devices_seen_by(api, result.out.strip()).status == 200

    def test_it_holds_as_long_as_the_server_says(self, alice: Machine) -> None:
        assert create(alice)["expires_at"] == written(alice, timedelta(days=90))

    def test_every_option_reaches_the_server(self, alice: Machine, api: RealApi) -> None:
        tenant_id = api.shared_tenant({"alice": Role.ADMIN}, DeviceApproval.AUTOMATIC)

        token = create(alice, "gateway", "--scope", "audit:read", "--expires-in", "12h", "--tenant", "Shared")

        assert (token["label"], token["tenant_id"]) == ("gateway", tenant_id)
        assert token["scopes"] == ["audit:read", "devices:read"]
        assert token["expires_at"] == written(alice, timedelta(hours=12))

    @pytest.mark.parametrize(
        "options",
        ["", "--label x", "--scope devices:read", "--label x --scope devices:read --expires-in later"],
    )
    def test_wrong_usage(self, alice: Machine, options: str) -> None:
        assert run(alice, "create", *options.split()).code == ExitCode.USAGE

    def test_a_refusal_of_the_server_is_told(self, alice: Machine) -> None:
        result = run(alice, "create", "--label", "x", "--scope", "devices:read", "--expires-in", "400d")

        assert result.code == ExitCode.ERROR
        assert "A service token holds for at most 366 days." in result.err

    def test_who_may_not_is_told_whom_to_ask(self, alice: Machine, api: RealApi) -> None:
        api.shared_tenant({"alice": Role.MEMBER, "bob": Role.OWNER}, DeviceApproval.AUTOMATIC)

        result = run(alice, "create", "--label", "x", "--scope", "devices:read", "--tenant", "Shared")

        assert result.code == ExitCode.ERROR
        assert "Ask an administrator of the tenant." in result.err


class TestLook:
    def test_a_list_for_people(self, alice: Machine) -> None:
        token = create(alice)

        out = run(alice, "list").out

        (row,) = [line.split("│") for line in out.splitlines() if token["id"] in line]
        assert [cell.strip() for cell in row[1:4]] == ["ci", "active", "devices:read"]

    def test_a_list_for_machines_has_no_secret(self, alice: Machine) -> None:
        for number in range(3):
            create(alice, f"ci-{number}")

        items = json.loads(run(alice, "list", "--json").out)["items"]

        assert {item["label"] for item in items} == {"ci-0", "ci-1", "ci-2"}
        assert not any("token" in item for item in items)

    def test_none(self, alice: Machine) -> None:
        assert run(alice, "list").out == "There are no service tokens.\n"

    @pytest.mark.parametrize("by", ["label", "id"])
    def test_one_by_id_or_label(self, alice: Machine, by: str) -> None:
        token = create(alice)

        result = run(alice, "show", token[by])

        assert result.code == ExitCode.SUCCESS
        assert ["Scopes", "devices:read"] in [line.split() for line in result.out.splitlines()]
        assert token["token"] not in result.out

    def test_a_label_of_two_is_no_name(self, alice: Machine) -> None:
        tokens = [create(alice) for _ in range(2)]

        result = run(alice, "show", "ci")

        assert result.code == ExitCode.ERROR
        assert "2 service tokens have the label ci" in result.err
        assert all(token["id"] in result.err for token in tokens)

    def test_a_label_belongs_to_the_token_that_lives(self, alice: Machine) -> None:
        """The usual way: the next one is made under the label of one that has expired or was revoked."""
        create(alice, "ci", "--expires-in", "1h")
        run(alice, "revoke", create(alice, "other")["id"])
        alice.clock.advance(seconds=3600)
        token, other = create(alice), create(alice, "other")

        assert json.loads(run(alice, "show", "ci", "--json").out)["id"] == token["id"]
        assert json.loads(run(alice, "show", "other", "--json").out)["id"] == other["id"]

    def test_none_of_this_label(self, alice: Machine) -> None:
        result = run(alice, "show", "ci")

        assert result.code == ExitCode.ERROR
        assert "There is no service token ci that you may see." in result.err
        assert "doorward service-token list" in result.err


class TestRevoke:
    def test_it_ends_at_once(self, alice: Machine, api: RealApi) -> None:
        secret = create(alice)["token"]
        before = devices_seen_by(api, secret)

        result = run(alice, "revoke", "ci")

        assert result.out == "The service token ci is revoked.\n"
        assert (before.status, devices_seen_by(api, secret).refusal) == (200, (401, "service_token_revoked"))

    def test_machines_get_the_answer_of_the_server(self, alice: Machine) -> None:
        create(alice)

        assert json.loads(run(alice, "revoke", "ci", "--json").out)["state"] == "revoked"


def test_the_guide_names_every_scope() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")

    assert [scope.value for scope in Scope if f"`{scope.value}`" not in guide] == []


def written(machine: Machine, later: timedelta) -> str:
    return (machine.clock.now() + later).strftime("%Y-%m-%dT%H:%M:%SZ")
