"""Background work has a name, a log line when it fails, another try, and an end."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from common.tasks import Tasks
from tests.fakes.waiting import until

SECRET = "the-token-that-an-error-quotes"


async def fail() -> None:
    raise ValueError(SECRET)


async def test_work_that_nobody_awaits_is_logged_by_name_when_it_fails() -> None:
    tasks = Tasks()
    with capture_logs() as logs:
        tasks.detach("revoke", fail())
        await until(lambda: bool(logs))

    assert [(log["event"], log["task"], log["error"]) for log in logs] == [
        ("task_failed", "revoke", "ValueError")
    ]
    assert SECRET not in repr(logs)


async def test_who_awaits_a_task_sees_its_error() -> None:
    tasks = Tasks()

    with pytest.raises(ValueError, match=SECRET):
        await tasks.start("refresh", fail())


async def test_background_work_that_fails_is_logged_and_started_again() -> None:
    tasks, tries = Tasks(), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await fail()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        tasks.keep_running("sweep", work)
        await until(lambda: tries == 2)
    await tasks.close()

    [log] = logs
    assert (log["event"], log["task"], log["error"], log["log_level"]) == (
        "task_restarted",
        "sweep",
        "ValueError",
        "warning",
    )
    assert SECRET not in repr(logs)


async def endless(running: asyncio.Event, ended: list[str], name: str) -> None:
    try:
        running.set()
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append(name)


async def test_closing_cancels_what_runs_and_waits_until_it_has_ended() -> None:
    tasks, running, ended = Tasks(), asyncio.Event(), list[str]()

    tasks.start("one", endless(running, ended, "one"))
    tasks.keep_running("two", lambda: endless(running, ended, "two"))
    await running.wait()
    await asyncio.sleep(0)
    await tasks.close()

    assert sorted(ended) == ["one", "two"]


async def test_closing_lets_detached_work_finish() -> None:
    tasks, release, ended = Tasks(), asyncio.Event(), list[str]()

    async def work() -> None:
        await release.wait()
        ended.append("revoked")

    tasks.detach("revoke", work())
    closing = asyncio.create_task(tasks.close())
    await asyncio.sleep(0)
    release.set()
    await closing

    assert ended == ["revoked"]


async def test_what_finishing_work_leaves_to_others_is_finished_too() -> None:
    """A logout leaves the revocation to a task of its own."""
    tasks, release, ended = Tasks(), asyncio.Event(), list[str]()

    async def revoke() -> None:
        await asyncio.sleep(0.01)
        ended.append("revoked")

    async def log_out() -> None:
        await release.wait()
        tasks.detach("revoke", revoke())

    tasks.start_to_finish("logout", log_out())
    closing = asyncio.create_task(tasks.close())
    await asyncio.sleep(0)
    release.set()
    await closing

    assert ended == ["revoked"]


async def test_closing_does_not_wait_for_ever() -> None:
    tasks, running, ended = Tasks(), asyncio.Event(), list[str]()

    tasks.detach("stuck", endless(running, ended, "stuck"))
    await running.wait()
    await tasks.close(finish_s=0.01)

    assert ended == ["stuck"]


async def test_a_cancellation_that_got_lost_is_repeated() -> None:
    """As asyncio.wait_for of Python 3.11 loses one that comes just as its work is done."""
    tasks, running, ended = Tasks(cancel_again_s=0.01), asyncio.Event(), list[str]()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await endless(running, ended, "lost")
        await endless(running, ended, "heard")

    tasks.keep_running("work", work)
    await running.wait()
    async with asyncio.timeout(5):
        await tasks.close()

    assert ended == ["lost", "heard"]


async def test_what_ends_while_closing_may_still_start_more_and_that_ends_too() -> None:
    tasks, running, ended = Tasks(), asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            await endless(running, ended, "first")
        finally:
            tasks.start("late", endless(running, ended, "late"))
            await asyncio.sleep(0)

    tasks.start("work", work())
    await running.wait()
    async with asyncio.timeout(5):
        await tasks.close()

    assert ended == ["first", "late"]


async def test_a_cancelled_task_is_no_failure() -> None:
    tasks, running = Tasks(), asyncio.Event()
    with capture_logs() as logs:
        tasks.detach("waiting", endless(running, [], "waiting"))
        await running.wait()
        await tasks.close(finish_s=0.01)

    assert logs == []
