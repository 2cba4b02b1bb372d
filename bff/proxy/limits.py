"""What one connection, one request and one upstream may cost, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the data plane; tests use shorter ones. Times are in seconds, sizes in bytes."""

    head_bytes: int = 32 * 1024
    header_fields: int = 100
    # For the whole head: a client that sends it drop by drop holds a connection for so long and no longer.
    head_time_s: float = 10.0
    # Longer than the proxy in front keeps its connections (30 s in our Caddyfile): it closes first.
    keep_alive_s: float = 75.0
    # For the session to be read, and its bearer to be refreshed: longer than either takes on its own.
    credential_time_s: float = 30.0
    # For a body: this long at first, and then as long as it comes at this rate or faster.
    body_time_s: float = 60.0
    body_bytes_a_second: int = 1024
    # A client that reads nothing of its answer for so long is gone, and holds a connection behind the door.
    unread_time_s: float = 60.0
    # How long an answer that came before the end of the body is kept readable for a client that still sends.
    linger_time_s: float = 2.0
    # For a request that is not proxied, from its head to the end of its answer: a login asks the provider.
    handed_over_s: float = 120.0
    connections: int = 20_000
    upstream_connections: int = 4096
    upstream_waiters: int = 4096
    # Shorter than servers keep theirs (Node.js: 5 s): requests are seldom sent on a connection that ended.
    upstream_idle_s: float = 4.0
    interim_answers: int = 16
    sweep_interval_s: float = 0.5
