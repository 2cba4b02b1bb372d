"""`doorward enroll`, `status` and `leave` against the real API server."""

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from apiserver.tenants.tenants import DeviceApproval, Role
from apiserver.tokens.secret import SecretKind, mint
from cli.device_keys import public_key_of
from cli.errors import ExitCode
from common.randomness import SystemRandomness
from tests.apiserver.callers import holder
from tests.cli.conftest import Machine
from tests.cli.real_api import RealApi


def kept(folder: Path) -> dict[str, Any]:
    """The device on disk."""
    (device,) = json.loads((folder / "device.json").read_text())["devices"].values()
    return dict(device)


def replace_device_token(folder: Path) -> None:
    """As when an old copy of the file is put back."""
    file = folder / "device.json"
    other = mint(SecretKind.DEVICE, "0" * 22, SystemRandomness()).reveal()
    file.write_text(file.read_text().replace(kept(folder)["device_token"], other))


def enroll(machine: Machine, token: str, *more: str) -> None:
    result = machine.run("enroll", "--token", token, *more)
    assert result.code == ExitCode.SUCCESS, result.err


class TestByToken:
    def test_a_machine_becomes_a_device(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("enroll", "--token", api.registration_token())

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        (device,) = api.devices()
        lines = result.out.splitlines()
        assert lines[0] == f"This machine is enrolled with {api.url} as kitchen-laptop."
        assert lines[1:5] == [
            f"Server      {api.url}",
            "Name        kitchen-laptop",
            "State       active",
            f"Addresses   {device['ipv4']}, {device['ipv6']}",
        ]
        assert lines[-1] == f"Device id   {device['id']}"

    def test_its_credentials_work_and_are_the_users_alone(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        former = os.umask(0)
        try:
            enroll(machine, api.registration_token())
        finally:
            os.umask(former)

        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes == {"device.json": 0o600, "device.lock": 0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        me = api.run(holder(api.server, kept(folder)["device_token"]).done("GET", "/devices/me"))
        assert me["id"] == kept(folder)["id"]

    def test_the_key_is_made_here(self, machine: Machine, api: RealApi, folder: Path) -> None:
        enroll(machine, api.registration_token())

        assert public_key_of(kept(folder)["private_key"]) == api.devices()[0]["public_key"]

    def test_its_token_is_proven_at_once(self, machine: Machine, api: RealApi) -> None:
        enroll(machine, api.registration_token())
        api.run(api.server.parts.last_seen.write())

        assert api.devices()[0]["last_seen_at"] is not None

    def test_no_secret_is_printed(self, machine: Machine, api: RealApi, folder: Path) -> None:
        token = api.registration_token()
        results = [
            machine.run("enroll", "--token", token),
            machine.run("enroll", "--token", token),
            machine.run("enroll", token),
            machine.run("enroll", "--token", token, "--name", "no such name"),
            machine.run("status"),
            machine.run("status", "--json"),
        ]
        device = kept(folder)

        for result in results:
            for secret in (token[8:], device["device_token"][8:], device["private_key"]):
                assert secret not in result.out + result.err

    def test_the_machine_id_stays_here(self, machine: Machine, api: RealApi, folder: Path) -> None:
        enroll(machine, api.registration_token())

        (device,) = api.devices()
        assert len(device["fingerprint"]) == 64
        assert machine.id is not None
        assert machine.id not in json.dumps(device)

    @pytest.mark.parametrize("has_id", [True, False])
    def test_the_fingerprint_may_be_left_out(self, machine: Machine, api: RealApi, *, has_id: bool) -> None:
        if not has_id:
            machine.id = None

        enroll(machine, api.registration_token(), *(["--no-fingerprint"] if has_id else []))

        assert api.devices()[0]["fingerprint"] is None

    def test_the_name_is_chosen_here(self, machine: Machine, api: RealApi) -> None:
        enroll(machine, api.registration_token(), "--name", "Cellar_1")

        assert api.devices()[0]["name"] == "Cellar_1"

    def test_machines_get_the_answer_of_the_server(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("enroll", "--token", api.registration_token(), "--json")

        assert json.loads(result.out)["id"] == api.devices()[0]["id"]

    def test_without_a_key_it_has_no_addresses(self, machine: Machine, api: RealApi, folder: Path) -> None:
        enroll(machine, api.registration_token(), "--no-key")

        (device,) = api.devices()
        assert (device["public_key"], device["ipv4"]) == (None, None)
        assert kept(folder)["private_key"] is None
        assert machine.run("status").code == ExitCode.SUCCESS

    def test_a_used_up_token_is_refused_with_its_reason(self, machine: Machine, api: RealApi) -> None:
        token = api.registration_token(max_uses=1)
        api.run(holder(api.server, token).done("POST", "/devices", {"name": "first"}))

        result = machine.run("enroll", "--token", token)

        assert result.code == ExitCode.ERROR
        assert "All uses of this registration token are spent. Ask for a new one." in result.err
        assert "doorward login" not in result.err

    def test_the_name_that_it_was_given_is_told(self, machine: Machine, api: RealApi) -> None:
        token = api.registration_token()
        api.run(holder(api.server, token).done("POST", "/devices", {"name": "kitchen-laptop"}))

        result = machine.run("enroll", "--token", token)

        (name,) = {device["name"] for device in api.devices()} - {"kitchen-laptop"}
        assert f" as {name}.\n" in result.out


class TestWhereTheTokenComesFrom:
    def test_a_file(self, machine: Machine, api: RealApi, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(f"\n  {api.registration_token()}\n")

        assert machine.run("enroll", "--token-file", str(file)).code == ExitCode.SUCCESS

    def test_stdin(self, machine: Machine, api: RealApi, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{api.registration_token()}\n"))

        assert machine.run("enroll", "--token-file", "-").code == ExitCode.SUCCESS

    def test_the_environment(self, machine: Machine, api: RealApi, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOORWARD_TOKEN", api.registration_token())

        assert machine.run("enroll").code == ExitCode.SUCCESS

    def test_a_file_wins_over_the_environment(
        self, machine: Machine, api: RealApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "token"
        file.write_text(api.registration_token())
        monkeypatch.setenv("DOORWARD_TOKEN", "dwr_of_yesterday")

        assert machine.run("enroll", "--token-file", str(file)).code == ExitCode.SUCCESS

    def test_not_two_at_once(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("enroll", "--token", api.registration_token(), "--token-file", "-")

        assert result.code == ExitCode.USAGE

    def test_a_token_belongs_to_its_own_tenant(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("enroll", "--token", api.registration_token(), "--tenant", "Shared")

        assert result.code == ExitCode.USAGE

    @pytest.mark.parametrize("file", ["missing", ".", "binary"])
    def test_a_file_that_cannot_be_read_is_told(
        self, machine: Machine, api: RealApi, tmp_path: Path, file: str
    ) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

        result = machine.run("enroll", "--token-file", str(tmp_path / file))

        assert result.code == ExitCode.ERROR
        assert result.err.endswith("Check --token-file.\n")

    @pytest.mark.parametrize("change", ["short", "other", "long", "letters", "kind", "nothing"])
    def test_what_is_no_whole_token_is_not_sent(
        self, machine: Machine, api: RealApi, folder: Path, change: str
    ) -> None:
        token = api.registration_token()
        changed = {
            "short": token[:-1],
            "other": token[:40] + ("a" if token[40] != "a" else "b") + token[41:],
            "long": f"{token}0",
            "letters": f"{token[:40]}é{token[41:]}",
            "kind": f"dwd_{token[4:]}",
            "nothing": "dwr_",
        }[change]

        result = machine.run("enroll", "--token", changed)

        assert result.code == ExitCode.ERROR
        assert "registration token" in result.err
        assert changed[4:] == "" or changed[4:] not in result.err
        assert not folder.exists()


class TestStates:
    @pytest.fixture
    def tenant_id(self, machine: Machine, api: RealApi) -> str:
        """A tenant which asks for approval, that this machine has joined."""
        tenant_id = api.shared_tenant({"alice": Role.OWNER}, DeviceApproval.REQUIRED)
        token = api.registration_token(tenant_id=tenant_id)
        result = machine.run("enroll", "--token", token)
        assert (
            "It waits for approval: an administrator runs `doorward device approve kitchen-laptop`."
            in result.out
        )
        return tenant_id

    def test_a_pending_device_is_told_who_approves(
        self, machine: Machine, api: RealApi, tenant_id: str
    ) -> None:
        (device,) = api.devices(tenant_id=tenant_id)

        assert device["state"] == "pending"
        api.done("POST", f"/devices/{device['id']}/approve")
        assert json.loads(machine.run("status", "--json").out)["state"] == "active"

    def test_a_copy_of_the_machine_is_told_why_it_is_quarantined(
        self, machine: Machine, api: RealApi
    ) -> None:
        token = api.registration_token()
        enroll(machine, token)

        result = machine.run("enroll", "--token", token, "--force")

        assert result.code == ExitCode.SUCCESS
        assert "Another device has the fingerprint of this machine." in result.out
        assert {device["state"] for device in api.devices()} == {"quarantined", "active"}


class TestAgain:
    def test_an_enrolled_machine_stays_the_device_it_is(self, machine: Machine, api: RealApi) -> None:
        token = api.registration_token()
        enroll(machine, token)

        for arguments in (("enroll",), ("enroll", "--token", token, "--name", "other")):
            result = machine.run(*arguments)
            assert (result.code, result.err) == (ExitCode.SUCCESS, "")
            assert result.out.startswith(
                f"This machine is already enrolled with {api.url} as kitchen-laptop.\n"
            )
        assert len(api.devices()) == 1

    def test_force_makes_another_key_and_device(self, machine: Machine, api: RealApi, folder: Path) -> None:
        token = api.registration_token()
        enroll(machine, token)
        before = kept(folder)

        enroll(machine, token, "--force", "--no-fingerprint")

        after = kept(folder)
        assert {device["id"] for device in api.devices()} == {before["id"], after["id"]}
        assert before["id"] != after["id"]
        assert before["private_key"] != after["private_key"]

    def test_a_failed_force_leaves_the_device_as_it_was(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        token = api.registration_token(max_uses=1)
        enroll(machine, token)
        before = kept(folder)

        result = machine.run("enroll", "--token", token, "--force")

        assert result.code == ExitCode.ERROR
        assert kept(folder) == before
        assert machine.run("status").code == ExitCode.SUCCESS

    def test_an_expired_device_comes_back_with_its_key(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        token = api.registration_token(max_uses=1, ephemeral_s=120)
        enroll(machine, token)
        before = kept(folder)
        api.expire(before["id"])

        enroll(machine, token)

        after = kept(folder)
        assert after["id"] == before["id"]
        assert after["device_token_id"] != before["device_token_id"]
        assert machine.run("status").code == ExitCode.SUCCESS

    def test_a_device_whose_token_was_replaced_comes_back_with_its_key(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        token = api.registration_token(max_uses=1)
        enroll(machine, token)
        replace_device_token(folder)

        enroll(machine, token)

        assert machine.run("status").code == ExitCode.SUCCESS
        assert len(api.devices()) == 1

    def test_a_revoked_device_needs_a_new_key(self, machine: Machine, api: RealApi) -> None:
        token = api.registration_token()
        enroll(machine, token)
        api.done("POST", f"/devices/{api.devices()[0]['id']}/revoke")

        result = machine.run("enroll", "--token", token)

        assert result.code == ExitCode.ERROR
        assert "This device was revoked." in result.err
        assert "`doorward enroll --force` makes a new key." in result.err
        enroll(machine, token, "--force")
        assert len(api.devices()) == 1

    def test_a_suspended_device_is_told_so(self, machine: Machine, api: RealApi) -> None:
        token = api.registration_token()
        enroll(machine, token)
        api.done("POST", f"/devices/{api.devices()[0]['id']}/suspend")

        result = machine.run("enroll", "--token", token)

        assert result.code == ExitCode.ERROR
        assert "This device is suspended. Somebody who manages it can resume it." in result.err

    def test_an_enrolled_machine_may_start_without_a_network(
        self, machine: Machine, api: RealApi, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        enroll(machine, api.registration_token())
        device = folder / "device.json"
        device.write_text(device.read_text().replace(api.url, "http://127.0.0.1:1"))
        monkeypatch.setenv("DOORWARD_SERVER", "http://127.0.0.1:1")

        result = machine.run("enroll")

        assert result.code == ExitCode.SUCCESS
        assert result.out == "This machine is enrolled with http://127.0.0.1:1 as kitchen-laptop.\n"
        assert result.err.startswith("Warning: http://127.0.0.1:1 does not answer")
        assert machine.run("enroll", "--json").code == ExitCode.UNREACHABLE


class TestAsUser:
    def test_it_joins_the_personal_tenant(self, machine: Machine, api: RealApi, folder: Path) -> None:
        api.log_in(folder)

        result = machine.run("enroll")

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        (device,) = api.devices()
        assert device["registration_token_id"] is None
        assert device["tenant_id"] == api.done("GET", "/users/me")["personal_tenant_id"]

    def test_it_joins_a_tenant_by_name(self, machine: Machine, api: RealApi, folder: Path) -> None:
        tenant_id = api.shared_tenant({"alice": Role.MEMBER}, DeviceApproval.REQUIRED)
        api.log_in(folder)

        result = machine.run("enroll", "--tenant", "Shared")

        assert "It waits for approval" in result.out
        assert len(api.devices(tenant_id=tenant_id)) == 1

    def test_a_tenant_that_is_not_the_users_is_told(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        api.log_in(folder)

        result = machine.run("enroll", "--tenant", "Elsewhere")

        assert result.code == ExitCode.ERROR
        assert "You are in no tenant called Elsewhere." in result.err

    def test_the_owner_brings_the_same_machine_back_with_a_new_key(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        api.log_in(folder)
        machine.run("enroll")
        (before,) = api.devices()

        machine.run("enroll", "--force")

        (after,) = api.devices()
        assert before["id"] == after["id"]
        assert before["public_key"] != after["public_key"]

    def test_without_token_and_login_it_says_what_helps(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("enroll")

        assert result.code == ExitCode.NOT_LOGGED_IN
        assert "Give a token with --token-file, or run `doorward login`." in result.err


class TestStatus:
    def test_it_says_what_the_machine_is(self, machine: Machine, api: RealApi) -> None:
        enroll(machine, api.registration_token(taints=["ci"], labels={"site": "Zürich"}))

        result = machine.run("status")

        shown = dict(line.split(maxsplit=1) for line in result.out.splitlines())
        assert shown["Server"] == api.url
        assert (shown["Taints"], shown["Labels"]) == ("ci", "site=Zürich")

    def test_a_machine_that_is_no_device(self, machine: Machine, api: RealApi) -> None:
        result = machine.run("status")

        assert result.code == ExitCode.NOT_LOGGED_IN
        assert result.err == (f"Error: This machine is not enrolled with {api.url}. Run `doorward enroll`.\n")

    def test_the_server_of_the_enrollment_is_the_default(
        self, machine: Machine, api: RealApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enroll(machine, api.registration_token())
        monkeypatch.delenv("DOORWARD_SERVER")

        assert machine.run("status").code == ExitCode.SUCCESS
        assert machine.run("enroll").code == ExitCode.SUCCESS


class TestLeave:
    def test_the_device_ends_and_is_forgotten(self, machine: Machine, api: RealApi, folder: Path) -> None:
        enroll(machine, api.registration_token())
        device = kept(folder)

        result = machine.run("leave")

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        assert result.out == f"kitchen-laptop has left {api.url}.\n"
        assert api.devices() == []
        content = (folder / "device.json").read_text()
        assert device["device_token"] not in content
        assert device["private_key"] not in content

    def test_twice_is_no_error(self, machine: Machine, api: RealApi) -> None:
        enroll(machine, api.registration_token())
        machine.run("leave")

        result = machine.run("leave")

        assert result.code == ExitCode.SUCCESS
        assert result.out == f"This machine is not enrolled with {api.url}.\n"

    def test_a_device_that_was_revoked_is_forgotten_too(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        enroll(machine, api.registration_token())
        api.done("POST", f"/devices/{api.devices()[0]['id']}/revoke")

        assert machine.run("leave").code == ExitCode.SUCCESS
        assert json.loads((folder / "device.json").read_text())["devices"] == {}

    def test_a_device_whose_token_is_not_known_any_more_is_forgotten_too(
        self, machine: Machine, api: RealApi, folder: Path
    ) -> None:
        enroll(machine, api.registration_token())
        replace_device_token(folder)

        assert machine.run("leave").code == ExitCode.SUCCESS
        assert machine.run("status").code == ExitCode.NOT_LOGGED_IN

    def test_a_device_that_may_not_leave_is_kept(self, machine: Machine, api: RealApi, folder: Path) -> None:
        enroll(machine, api.registration_token())
        api.done("POST", f"/devices/{api.devices()[0]['id']}/suspend")

        assert machine.run("leave").code == ExitCode.ERROR
        assert kept(folder)["name"] == "kitchen-laptop"

    def test_the_login_stays(self, machine: Machine, api: RealApi, folder: Path) -> None:
        api.log_in(folder)
        machine.run("enroll")

        machine.run("leave")

        assert machine.run("whoami").code == ExitCode.SUCCESS
