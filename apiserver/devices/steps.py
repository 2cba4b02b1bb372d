"""What is done to many devices is done in steps, so that nobody waits for more than one of them."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from apiserver.devices.device import DeviceId
from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage, Transaction, Work
from apiserver.storage.records import Step
from common.problems import ProblemError

DEVICES_AT_ONCE = 500
"""In one unit of work. SQLite lets one write at a time, PostgreSQL breaks off a statement that takes long."""

StepOfMany: TypeAlias = Callable[[Transaction, Step], Coroutine[Any, Any, Sequence[DeviceId]]]


async def do_the_rest(storage: Storage, work: StepOfMany, first: Sequence[DeviceId], most: int) -> int:
    """After a first step that did it to `first`, does it to all others; gives the number of all.

    Raises `ProblemError` where it is broken off between two steps: what was done stays done.
    """
    count, done = len(first), first
    while len(done) >= most:
        try:
            done = await storage.write(_unit(work, Step(most, after=done[-1])))
        except StorageUnavailableError as error:
            raise _broken_off(error) from error
        count += len(done)
    return count


def _unit(work: StepOfMany, step: Step) -> Work[Sequence[DeviceId]]:
    return lambda transaction: work(transaction, step)


def _broken_off(error: StorageUnavailableError) -> ProblemError:
    """What was done before stays done, which `error` does not say."""
    return ProblemError(
        error.code,
        "The storage cannot do the rest of it now; what was done stays so. Try again.",
        cause=error.cause,
        headers=error.headers,
    )
