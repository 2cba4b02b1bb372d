"""What counts as this machine and nothing else. One list, for the configuration and for every request."""

from urllib.parse import urlsplit

# Names, not address ranges: 127.0.0.2 or a host file's alias may be published to a network by other means.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def is_loopback_authority(authority: str) -> bool:
    """Whether `host` or `host:port` (a Host header, a listen address) names this machine."""
    try:
        parts = urlsplit(f"//{authority}")
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.netloc == authority and "@" not in authority and hostname in LOOPBACK_HOSTS


def is_loopback_url(url: str) -> bool:
    """Whether `url` is a plain http(s) address of this machine: no user part, no fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and "#" not in url and is_loopback_authority(parts.netloc)
