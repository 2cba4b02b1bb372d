"""All that is measured, in the order of the tables."""

from bench.peers.apache import Apache
from bench.peers.base import Peer
from bench.peers.caddy import BehindCaddy, CaddyForwardAuth, CaddyPlain
from bench.peers.doorward import Doorward
from bench.peers.go_standin import GoStandin
from bench.peers.naive import Naive
from bench.peers.nginx import Nginx

FORMS = ("aiohttp", "protocols")
"""The values of DATA_PLANE, the one that the bars are judged by last."""

GO, CADDY, NGINX, APACHE = GoStandin().key, CaddyPlain().key, Nginx().key, Apache().key

FORWARD_AUTH = (GO, *(Doorward(FORMS[-1], store).key for store in ("memory", "redis")))
"""Those that answer it."""


def everyone() -> list[Peer]:
    ours: list[Peer] = []
    for form in FORMS:
        ours += [Doorward(form, "memory"), Doorward(form, "redis")]
    behind = BehindCaddy(Doorward(FORMS[-1], "memory"))
    return [Nginx(), CaddyPlain(), GoStandin(), Apache(), CaddyForwardAuth(), Naive(), *ours, behind]
