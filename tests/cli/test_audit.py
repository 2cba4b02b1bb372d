"""`doorward audit` against the real API server, and the checkpoints of logs."""

import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from cli.checkpoints import MOST_CHECKPOINTS, Checkpoint, chosen
from cli.errors import ExitCode
from tests.apiserver.callers import holder
from tests.cli.conftest import Machine, Result
from tests.cli.real_api import RealApi


@pytest.fixture
def alice(machine: Machine, api: RealApi, folder: Path) -> Machine:
    """The command line of alice, who is logged in and has registered two devices."""
    api.log_in(folder)
    secret = api.registration_token()
    for name in ("one", "two"):
        api.run(holder(api.server, secret).done("POST", "/devices", {"name": name}))
    return machine


def run(machine: Machine, *arguments: str) -> Result:
    return machine.run("audit", *arguments)


def actions(result: Result) -> list[str]:
    assert result.code == ExitCode.SUCCESS, result.err
    return [item["action"] for item in json.loads(result.out)["items"]]


def checkpoint_line(api: RealApi, seq: int) -> str:
    """What the server logs once that event is written."""
    (event,) = [item for item in api.done("GET", "/audit-events")["items"] if item["seq"] == seq]
    line = {"event": "audit_checkpoint", "tenant_id": event["tenant_id"], "seq": seq, "mac": event["mac"]}
    return json.dumps(line)


def cut_to(database: Path, seq: int) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(
            f"DELETE FROM audit_events WHERE seq > {seq};"
            f"UPDATE audit_heads SET seq = {seq}, mac = (SELECT mac FROM audit_events WHERE seq = {seq});"
        )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "doorward.db"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "apiserver.log"


class TestList:
    def test_a_table_for_people_the_newest_first(self, alice: Machine) -> None:
        rows = [
            line.split("│") for line in run(alice, "list").out.splitlines() if "device.registered" in line
        ]

        assert [row[1].strip() for row in rows] == ["4", "3"]
        assert all("registration_token rgt_" in row[4] for row in rows)

    def test_the_answers_of_the_server_for_machines(self, alice: Machine) -> None:
        assert actions(run(alice, "list", "--json")) == [
            "device.registered",
            "device.registered",
            "registration_token.created",
            "tenant.created",
        ]

    def test_a_limit(self, alice: Machine) -> None:
        assert len(actions(run(alice, "list", "--json", "--limit", "3"))) == 3

    def test_of_an_action(self, alice: Machine) -> None:
        assert actions(run(alice, "list", "--json", "--action", "tenant.created")) == ["tenant.created"]

    def test_of_an_actor(self, alice: Machine, api: RealApi) -> None:
        me = api.done("GET", "/users/me")

        assert actions(run(alice, "list", "--json", "--actor", me["id"])) == [
            "registration_token.created",
            "tenant.created",
        ]

    def test_of_a_target(self, alice: Machine, api: RealApi) -> None:
        (device, _) = api.devices()

        assert actions(run(alice, "list", "--json", "--target", device["id"])) == ["device.registered"]

    def test_of_the_last_hours(self, alice: Machine, api: RealApi) -> None:
        api.clock.advance(hours=3)
        api.registration_token(label="late")

        assert actions(run(alice, "list", "--json", "--since", "2h")) == ["registration_token.created"]

    def test_none(self, alice: Machine) -> None:
        assert run(alice, "list", "--action", "none").out == "There are no such events.\n"


class TestVerify:
    def test_an_intact_chain(self, alice: Machine, api: RealApi, log: Path) -> None:
        log.write_text(f"{checkpoint_line(api, 4)}\n")

        result = run(alice, "verify", "--log", str(log))

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        assert "Intact. Events: 4; checkpoints of the log: 1.\nLast event: 4, MAC " in result.out

    def test_an_edit_is_told_with_its_place_and_exit_code_1(self, alice: Machine, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE audit_events SET after = '{}' WHERE seq = 3")

        result = run(alice, "verify")

        assert result.code == ExitCode.ERROR
        assert [cell.strip() for cell in result.out.splitlines()[3].split("│")[1:3]] == ["3", "edited"]
        assert "are not what was written" in result.err

    def test_a_cut_tail_is_found_by_the_log_alone(
        self, alice: Machine, api: RealApi, database: Path, log: Path
    ) -> None:
        log.write_text(f"{checkpoint_line(api, 4)}\n")
        cut_to(database, 2)

        without, with_log = run(alice, "verify"), run(alice, "verify", "--log", str(log))

        assert (without.code, with_log.code) == (ExitCode.SUCCESS, ExitCode.ERROR)
        assert "Without --log: events that were cut off at the end cannot be missed." in without.err
        assert [cell.strip() for cell in with_log.out.splitlines()[3].split("│")[1:3]] == ["3", "cut"]

    def test_several_logs_with_whatever_stands_in_them(
        self, alice: Machine, api: RealApi, tmp_path: Path
    ) -> None:
        foreign = checkpoint_line(api, 4).replace("ten_", "ten_x").replace('"seq": 4', '"seq": 9')
        first, second = tmp_path / "1.log", tmp_path / "2.log"
        first.write_text(f"May 01 host python[7]: {checkpoint_line(api, 3)}\n{foreign}\nplain text\n{{}}\n")
        second.write_bytes(
            b"\xff\xfe audit_checkpoint {\n" + b"x" * 200_000 + b"\n" + checkpoint_line(api, 4).encode()
        )

        result = run(alice, "verify", "--log", str(first), "--log", str(second))

        assert "Events: 4; checkpoints of the log: 2." in result.out

    def test_a_log_without_the_tenant_is_a_warning(self, alice: Machine, log: Path) -> None:
        log.write_text("nothing\n")

        result = run(alice, "verify", "--log", str(log))

        assert result.code == ExitCode.SUCCESS
        assert "The log has no checkpoint of ten_" in result.err

    def test_the_verdict_for_machines(self, alice: Machine, database: Path) -> None:
        cut_to(database, 2)

        verdict = json.loads(run(alice, "verify", "--json").out)

        assert (verdict["is_intact"], verdict["events"], verdict["faults"]) == (True, 2, [])

    def test_of_another_tenant(self, alice: Machine) -> None:
        result = run(alice, "verify", "--tenant", "ten_0000000000000000000000")

        assert result.code == ExitCode.ERROR
        assert "There is no such tenant." in result.err


class TestChosenCheckpoints:
    """Of many, as many as a request holds."""

    def test_a_few_are_all_sent(self) -> None:
        few = {Checkpoint(seq, "a") for seq in range(1, MOST_CHECKPOINTS + 1)}

        assert chosen(few) == sorted(few)

    def test_of_many_the_last_one_and_others_evenly(self) -> None:
        kept = chosen({Checkpoint(seq, "a") for seq in range(1, 10_001)})
        gaps = {after.seq - before.seq for before, after in pairwise(kept)}

        assert len(kept) == MOST_CHECKPOINTS
        assert (kept[0].seq, kept[-1].seq) == (1, 10_000)
        assert gaps <= {20, 21}

    def test_of_many_those_that_contradict_each_other(self) -> None:
        """Two servers, or one before and after it was set back, knew different events in one place."""
        many = {Checkpoint(seq, "a") for seq in range(1, 10_001)}

        kept = chosen(many | {Checkpoint(7_777, "b")})

        assert {Checkpoint(7_777, "a"), Checkpoint(7_777, "b")} <= set(kept)
        assert len(kept) <= MOST_CHECKPOINTS
