"""Which ports the demo takes, and what it says when it cannot have one."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.demo.errors import DemoError
from deploy.demo.ports import choose_ports
from tests.deploy.caddy_door import free_port


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind((host, port))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_the_others_stand_above_the_public_one() -> None:
    public = free_port()

    ports = choose_ports(public, {})

    behind = list(ports.as_dict().values())[1:]
    assert ports.public == public
    assert len(set(behind)) == 7
    assert public not in behind


def test_a_restart_gets_the_same_ports() -> None:
    public = free_port()
    first = choose_ports(public, {})

    assert choose_ports(public, first.as_dict()) == first


def test_the_provider_keeps_its_address_when_the_public_port_changes() -> None:
    first = choose_ports(free_port(), {})

    second = choose_ports(free_port(), first.as_dict())

    assert second.provider == first.provider


def test_the_new_public_port_may_be_one_that_another_part_had() -> None:
    first = choose_ports(free_port(), {})

    second = choose_ports(first.provider, first.as_dict())

    assert second.public == first.provider
    assert second.provider != first.provider


def test_a_kept_port_that_somebody_took_is_replaced() -> None:
    with listening() as taken:
        ports = choose_ports(free_port(), {"provider": taken})

    assert ports.provider != taken


def test_a_taken_port_is_told_with_who_has_it_and_what_to_do() -> None:
    with listening() as taken, pytest.raises(DemoError) as refusal:
        choose_ports(taken, {})

    sentence = str(refusal.value)
    assert sentence.startswith(f"Port {taken} is taken")
    assert "make demo" in sentence
    assert "PORT=9" in sentence
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in sentence


def test_a_port_that_browsers_would_try_first_counts_as_taken() -> None:
    if not socket.has_ipv6 or not _has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    with listening("::1") as taken, pytest.raises(DemoError, match="is taken"):
        choose_ports(taken, {})


@pytest.mark.parametrize("port", [0, 65536, 10**9])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(DemoError, match="from 1 to 65535"):
        choose_ports(port, {})


def _has_ipv6_loopback() -> bool:
    try:
        with listening("::1"):
            return True
    except OSError:
        return False
