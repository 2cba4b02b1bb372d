"""`doorward device` against the real API server."""

import json
from pathlib import Path

import pytest

from apiserver.tenants.tenants import DeviceApproval, Role
from cli.errors import ExitCode
from tests.apiserver.callers import holder
from tests.cli.conftest import Machine, Result
from tests.cli.real_api import RealApi


@pytest.fixture
def alice(machine: Machine, api: RealApi, folder: Path) -> Machine:
    """The command line of alice, who is logged in."""
    api.log_in(folder)
    return machine


def join(api: RealApi, *names: str, **token: object) -> None:
    secret = api.registration_token(**token)
    for name in names:
        api.clock.advance(seconds=1)
        api.run(holder(api.server, secret).done("POST", "/devices", {"name": name}))


def run(machine: Machine, *arguments: str) -> Result:
    return machine.run("device", *arguments)


def names(result: Result) -> list[str]:
    assert result.code == ExitCode.SUCCESS, result.err
    return [item["name"] for item in json.loads(result.out)["items"]]


class TestList:
    def test_a_table_for_people_the_newest_first(self, alice: Machine, api: RealApi) -> None:
        join(api, "one", "two")

        rows = [line.split("│") for line in run(alice, "list").out.splitlines() if "dev_" in line]

        assert [[cell.strip() for cell in row[1:3]] for row in rows] == [["two", "active"], ["one", "active"]]

    def test_none(self, alice: Machine) -> None:
        assert run(alice, "list").out == "There are no such devices.\n"

    def test_all_pages(self, alice: Machine, api: RealApi) -> None:
        join(api, *[f"web-{number}" for number in range(203)])

        assert len(names(run(alice, "list", "--json"))) == 203

    def test_a_limit(self, alice: Machine, api: RealApi) -> None:
        join(api, "one", "two", "three")

        assert names(run(alice, "list", "--json", "--limit", "2")) == ["three", "two"]

    def test_of_a_state(self, alice: Machine, api: RealApi) -> None:
        join(api, "one", "two")
        run(alice, "suspend", "one")

        assert names(run(alice, "list", "--json", "--state", "suspended")) == ["one"]

    def test_of_a_tenant(self, alice: Machine, api: RealApi) -> None:
        tenant_id = api.shared_tenant({"alice": Role.OWNER}, DeviceApproval.AUTOMATIC)
        join(api, "shared", tenant_id=tenant_id)
        join(api, "own")

        assert names(run(alice, "list", "--json", "--tenant", "Shared")) == ["shared"]
        assert names(run(alice, "list", "--json")) == ["own"]

    def test_of_a_registration_token(self, alice: Machine, api: RealApi) -> None:
        join(api, "one", label="lab")
        join(api, "two", label="ci")

        assert names(run(alice, "list", "--json", "--registration-token", "lab")) == ["one"]


class TestOne:
    @pytest.mark.parametrize("by", ["name", "id"])
    def test_it_is_shown_by_id_or_name(self, alice: Machine, api: RealApi, by: str) -> None:
        join(api, "web", taints=["ci"])
        (device,) = api.devices()

        result = run(alice, "show", device[by])

        lines = [line.split(maxsplit=1) for line in result.out.splitlines()]
        assert ["Name", "web"] in lines
        assert ["Taints", "ci"] in lines

    def test_the_case_of_a_name_does_not_matter(self, alice: Machine, api: RealApi) -> None:
        join(api, "Web")

        assert json.loads(run(alice, "show", "wEB", "--json").out)["name"] == "Web"

    @pytest.mark.parametrize("name", ["web", "dev_0000000000000000000000", "../users/me", "a?b#c", "web-"])
    def test_one_that_is_not_there(self, alice: Machine, api: RealApi, name: str) -> None:
        result = run(alice, "show", name)

        assert result.code == ExitCode.ERROR
        assert "There is no" in result.err

    def test_what_is_not_the_users_is_not_there(self, alice: Machine, api: RealApi, folder: Path) -> None:
        join(api, "web")
        (device,) = api.devices()
        api.log_in(folder, "bob")

        result = run(alice, "revoke", device["id"])

        assert result.code == ExitCode.ERROR
        assert "There is no such device." in result.err

    def test_it_is_approved_suspended_resumed_and_revoked(self, alice: Machine, api: RealApi) -> None:
        tenant_id = api.shared_tenant({"alice": Role.OWNER}, DeviceApproval.REQUIRED)
        join(api, "web", tenant_id=tenant_id)

        for deed, state in (
            ("approve", "active"),
            ("suspend", "suspended"),
            ("resume", "active"),
            ("revoke", "revoked"),
        ):
            result = run(alice, deed, "web", "--tenant", "Shared")
            assert (result.code, result.out) == (ExitCode.SUCCESS, f"web is {state}.\n")

    def test_a_deed_that_its_state_does_not_allow(self, alice: Machine, api: RealApi) -> None:
        join(api, "web")

        result = run(alice, "approve", "web")

        assert result.code == ExitCode.ERROR
        assert "A device that is active cannot do this: approve." in result.err

    def test_it_gets_another_name(self, alice: Machine, api: RealApi) -> None:
        join(api, "web")

        result = run(alice, "rename", "web", "door")

        assert result.out == "The device is called door now.\n"
        assert api.devices()[0]["name"] == "door"

    def test_machines_get_the_answer_of_the_server(self, alice: Machine, api: RealApi) -> None:
        join(api, "web")

        assert json.loads(run(alice, "suspend", "web", "--json").out)["state"] == "suspended"


def test_without_a_login_it_says_what_helps(machine: Machine, api: RealApi) -> None:
    result = run(machine, "list")

    assert result.code == ExitCode.NOT_LOGGED_IN
    assert "doorward login" in result.err
