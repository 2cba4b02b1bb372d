"""Which ports the demo uses: the same ones at every start where they are free."""

import errno
import os
import socket
from dataclasses import asdict, dataclass, fields

from deploy.demo.errors import DemoError
from deploy.demo.port_holder import port_holder

HIGHEST_PORT = 65535
LOWEST_PORT = 1024


@dataclass(frozen=True)
class Ports:
    """`public` is Caddy's; the others are on 127.0.0.1 behind it, those of the provider apart."""

    public: int
    provider: int
    web: int
    web_private: int
    device: int
    device_private: int
    apiserver: int
    apiserver_private: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def choose_ports(public: int, kept: dict[str, int]) -> Ports:
    """`public` as asked for, the others from the last start or just above it.

    The provider's address is in its users' names (issuer and subject), in browsers and in saved logins, so it
    stays when `public` changes. Raises DemoError when `public` cannot be used.
    """
    _check_public(public)
    chosen = {"public": public}
    for field in fields(Ports)[1:]:
        candidates = [kept.get(field.name, 0), *range(public + 1, HIGHEST_PORT), *range(LOWEST_PORT, public)]
        chosen[field.name] = next(
            port for port in candidates if port and port not in chosen.values() and not _why_not(port)
        )
    return Ports(**chosen)


def _check_public(port: int) -> None:
    if not 0 < port <= HIGHEST_PORT:
        raise DemoError(f"PORT is {port}: it must be a number from 1 to {HIGHEST_PORT}, such as PORT=9000.")
    match _why_not(port):
        case errno.EADDRINUSE:
            holder = port_holder(port)
            taken = f"is taken by {holder}" if holder else "is taken"
            raise DemoError(
                f"Port {port} {taken}. Stop that, or use another: PORT={_another(port)} make demo"
            )
        case errno.EACCES:
            raise DemoError(f"Port {port} is for the administrator. Use a higher one: PORT=8080 make demo")
        case int(number):
            raise DemoError(f"Port {port} cannot be used: {os.strerror(number)}.")


def _another(port: int) -> int:
    likely = (
        candidate for candidate in range(9000, 10000, 100) if candidate != port and not _why_not(candidate)
    )
    return next(likely, 9000)


def has_ipv6_loopback() -> bool:
    """Whether [::1] can be listened on."""
    return _try_to_listen(socket.AF_INET6, "::1", 0) is None


def _why_not(port: int) -> int | None:
    """The error number of listening there, None when it works.

    [::1] counts too, where there is one: browsers try it first for `localhost`.
    """
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        number = _try_to_listen(family, host, port)
        if number is not None and number not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return number
    return None


def _try_to_listen(family: socket.AddressFamily, host: str, port: int) -> int | None:
    try:
        with socket.socket(family) as probe:
            # As the servers do: connections of the last run that still fade away do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return error.errno
    return None
