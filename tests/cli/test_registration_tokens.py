"""`doorward registration-token` against the real API server."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

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


def create(machine: Machine, *options: str) -> dict[str, Any]:
    result = machine.run("registration-token", "create", "--json", *options)
    assert result.code == ExitCode.SUCCESS, result.err
    return dict(json.loads(result.out))


def run(machine: Machine, *arguments: str) -> Result:
    return machine.run("registration-token", *arguments)


def join(api: RealApi, token: str, *names: str) -> None:
    for name in names:
        api.run(holder(api.server, token).done("POST", "/devices", {"name": name}))


class TestCreate:
    def test_a_pipe_gets_the_secret_alone(self, alice: Machine, api: RealApi) -> None:
        result = run(alice, "create", "--label", "lab")

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        assert result.out.startswith("dwr_")
        assert result.out.count("\n") == 1
        join(api, result.out.strip(), "web")

    def test_it_can_be_used_for_a_week_by_any_number(self, alice: Machine) -> None:
        token = create(alice, "--label", "lab")

        assert token["max_uses"] is None
        assert token["expires_at"] == written(alice, timedelta(days=7))
        assert (token["pre_approved"], token["taints"], token["ephemeral_s"]) == (False, [], None)

    def test_every_option_reaches_the_server(self, alice: Machine) -> None:
        options = "--max-uses 3 --expires-in 12h --taint ci --taint prod --pre-approved --ephemeral 10m"

        token = create(alice, "--label", "lab", *options.split())

        assert token["label"] == "lab"
        assert token["max_uses"] == 3
        assert token["expires_at"] == written(alice, timedelta(hours=12))
        assert (token["taints"], token["pre_approved"], token["ephemeral_s"]) == (["ci", "prod"], True, 600)

    def test_single_use_and_for_ever(self, alice: Machine) -> None:
        token = create(alice, "--label", "lab", "--single-use", "--never-expires")

        assert (token["max_uses"], token["expires_at"]) == (1, None)

    def test_in_a_tenant_by_name(self, alice: Machine, api: RealApi) -> None:
        tenant_id = api.shared_tenant({"alice": Role.ADMIN}, DeviceApproval.AUTOMATIC)

        assert create(alice, "--label", "lab", "--tenant", "Shared")["tenant_id"] == tenant_id

    @pytest.mark.parametrize(
        "options",
        [
            "",
            "--label x --single-use --max-uses 2",
            "--label x --never-expires --expires-in 1h",
            "--label x --max-uses 0",
            "--label x --expires-in tomorrow",
            "--label x --ephemeral 10",
        ],
    )
    def test_wrong_usage(self, alice: Machine, options: str) -> None:
        assert run(alice, "create", *options.split()).code == ExitCode.USAGE

    def test_the_reason_of_a_refusal_is_told(self, alice: Machine) -> None:
        result = run(alice, "create", "--label", "x", "--taint", "Not A Taint")

        assert result.code == ExitCode.ERROR
        assert "A taint has 1 to 63 characters" in result.err
        assert "--server" not in result.err


class TestLook:
    def test_a_list_for_people(self, alice: Machine, api: RealApi) -> None:
        token = create(alice, "--label", "lab", "--max-uses", "5")
        join(api, token["token"], "web")
        create(alice, "--label", "ci", "--never-expires")

        rows = [line.split("│") for line in run(alice, "list").out.splitlines() if token["id"] in line]

        assert [cell.strip() for cell in rows[0][1:4]] == ["lab", "active", "1 of 5"]

    def test_a_list_for_machines_has_no_secret(self, alice: Machine) -> None:
        for number in range(3):
            create(alice, "--label", f"lab-{number}")

        items = json.loads(run(alice, "list", "--json").out)["items"]

        assert {item["label"] for item in items} == {"lab-0", "lab-1", "lab-2"}
        assert not any("token" in item for item in items)

    def test_none(self, alice: Machine) -> None:
        assert run(alice, "list").out == "There are no registration tokens.\n"

    @pytest.mark.parametrize("by", ["label", "id"])
    def test_one_by_id_or_label(self, alice: Machine, by: str) -> None:
        token = create(alice, "--label", "lab", "--taint", "ci")

        result = run(alice, "show", token[by])

        assert result.code == ExitCode.SUCCESS
        assert ["Taints", "ci"] in [line.split() for line in result.out.splitlines()]
        assert token["token"] not in result.out

    def test_a_label_of_two_is_no_name(self, alice: Machine) -> None:
        tokens = [create(alice, "--label", "lab") for _ in range(2)]

        result = run(alice, "show", "lab")

        assert result.code == ExitCode.ERROR
        assert "2 registration tokens have the label lab" in result.err
        assert all(token["id"] in result.err for token in tokens)

    def test_a_label_belongs_to_the_token_that_lives(self, alice: Machine) -> None:
        run(alice, "revoke", create(alice, "--label", "lab")["id"])
        token = create(alice, "--label", "lab")

        assert json.loads(run(alice, "show", "lab", "--json").out)["id"] == token["id"]

    def test_none_of_this_label(self, alice: Machine) -> None:
        result = run(alice, "show", "lab")

        assert result.code == ExitCode.ERROR
        assert "There is no registration token lab that you may see." in result.err


class TestRotate:
    def test_the_new_secret_alone(self, alice: Machine, api: RealApi) -> None:
        token = create(alice, "--label", "lab")

        result = run(alice, "rotate", "lab")

        assert result.out.startswith("dwr_")
        assert result.out.strip() != token["token"]
        join(api, token["token"], "before")
        join(api, result.out.strip(), "after")


class TestRevoke:
    @pytest.mark.parametrize(
        ("choice", "state", "sentence"),
        [
            ("keep", "active", "2 devices kept"),
            ("suspend", "suspended", "2 devices suspended"),
            ("revoke", "revoked", "2 devices revoked"),
        ],
    )
    def test_its_devices_are_kept_suspended_or_revoked(
        self, alice: Machine, api: RealApi, choice: str, state: str, sentence: str
    ) -> None:
        join(api, create(alice, "--label", "lab")["token"], "one", "two")

        result = run(alice, "revoke", "lab", "--devices", choice)

        assert result.out == f"The registration token lab is revoked: {sentence}.\n"
        assert [device["state"] for device in api.devices(state=state)] == [state] * 2

    def test_its_devices_stay_unless_said_otherwise(self, alice: Machine, api: RealApi) -> None:
        join(api, create(alice, "--label", "lab")["token"], "one")

        run(alice, "revoke", "lab")

        assert [device["state"] for device in api.devices()] == ["active"]

    def test_a_dry_run_changes_nothing(self, alice: Machine, api: RealApi) -> None:
        token = create(alice, "--label", "lab")["token"]
        join(api, token, "one")

        result = run(alice, "revoke", "lab", "--devices", "revoke", "--dry-run")

        assert result.out == "Nothing was changed. Revoking lab would leave 1 device revoked.\n"
        join(api, token, "two")

    def test_machines_get_the_answer_of_the_server(self, alice: Machine) -> None:
        create(alice, "--label", "lab")

        answer = json.loads(run(alice, "revoke", "lab", "--json").out)

        assert (answer["state"], answer["devices"]["count"]) == ("revoked", 0)


def written(machine: Machine, later: timedelta) -> str:
    return (machine.clock.now() + later).strftime("%Y-%m-%dT%H:%M:%SZ")
