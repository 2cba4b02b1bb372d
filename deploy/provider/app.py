"""Joins the parts of the development provider to one aiohttp application; the whole surface is at its end."""
# mypy: disable-error-code="import-untyped"

import logging
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from common.clock import Clock
from common.randomness import Randomness
from common.tasks import Tasks
from deploy.provider import guard, paths
from deploy.provider.authorize import SignIn
from deploy.provider.backchannel import BackchannelLogout
from deploy.provider.browser import Browser
from deploy.provider.config import Config
from deploy.provider.device import DeviceEndpoint, DeviceGrant
from deploy.provider.device_credentials import DeviceCredentials
from deploy.provider.device_pages import DevicePages
from deploy.provider.endpoints import Endpoints
from deploy.provider.grants import CodeGrant, IdTokens, ListedResource, RequiredPkce, RotatingRefreshGrant
from deploy.provider.keys import SigningKey, key_of_file, new_key
from deploy.provider.logout import EndSession
from deploy.provider.server import ProviderServer
from deploy.provider.sessions import Sessions
from deploy.provider.token_endpoints import Introspection, Revocation, UserInfo
from deploy.provider.tokens import TokenMaker
from deploy.provider.users import Users
from deploy.provider.vault import Vault

LARGEST_BODY = 64 * 1024


def build_provider(config: Config, *, clock: Clock, randomness: Randomness) -> web.Application:
    """The provider as an application, to be served at `config.issuer` and nowhere else.

    Raises ConfigurationError when the data file cannot be used.
    """
    # Authlib writes tokens into its debug log.
    logging.getLogger("authlib").setLevel(logging.WARNING)
    key = new_key() if config.data_file is None else key_of_file(config.data_file)
    sessions = Sessions(clock, randomness, config.lifetimes.session_s)
    server = _build_server(config, key, clock, randomness)
    browser = Browser(config, sessions, randomness)
    tasks = Tasks()
    backchannel = BackchannelLogout(server, sessions, tasks)
    sign_in = SignIn(server, Users(config.users, clock), browser, backchannel, clock)

    app = web.Application(
        # From outside in: no answer at all to a foreign host; a fault of any handler becomes a page.
        middlewares=[guard.refuse_foreign_hosts, guard.explain_faults(browser)],
        client_max_size=LARGEST_BODY,
    )
    app.on_response_prepare.append(guard.add_security_headers)
    app.cleanup_ctx.append(_closing(tasks))
    app.add_routes(
        _routes(
            Endpoints(server, UserInfo(server), key),
            sign_in,
            DevicePages(server, browser, sign_in),
            EndSession(server, browser, backchannel),
        )
    )
    return app


def _build_server(config: Config, key: SigningKey, clock: Clock, randomness: Randomness) -> ProviderServer:
    vault = Vault(clock, randomness, config.lifetimes)
    devices = DeviceCredentials(clock, config.lifetimes.device_code_s)
    tokens = TokenMaker(config, key, vault, clock, randomness)
    server = ProviderServer(config, vault, devices, tokens)
    id_tokens = IdTokens(tokens)
    server.register_grant(CodeGrant, [RequiredPkce(), ListedResource(), id_tokens])
    server.register_grant(RotatingRefreshGrant, [id_tokens])
    server.register_grant(DeviceGrant, [id_tokens])
    server.register_endpoint(DeviceEndpoint(server, clock, randomness))
    server.register_endpoint(Revocation)
    server.register_endpoint(Introspection)
    return server


def _closing(tasks: Tasks) -> Callable[[web.Application], AsyncIterator[None]]:
    async def close(_app: web.Application) -> AsyncIterator[None]:
        yield
        await tasks.close()

    return close


def _routes(
    endpoints: Endpoints, sign_in: SignIn, device_pages: DevicePages, end_session: EndSession
) -> list[web.RouteDef]:
    return [
        web.get(paths.DISCOVERY, endpoints.discovery),
        web.get(paths.JWKS, endpoints.jwks),
        web.get(paths.STYLE, endpoints.style),
        web.post(paths.TOKEN, endpoints.token),
        web.post(paths.REVOKE, endpoints.revoke),
        web.post(paths.INTROSPECT, endpoints.introspect),
        web.post(paths.DEVICE_AUTHORIZATION, endpoints.device_authorization),
        web.get(paths.USERINFO, endpoints.userinfo),
        web.post(paths.USERINFO, endpoints.userinfo),
        web.get(paths.AUTHORIZE, sign_in.authorize),
        web.post(paths.AUTHORIZE, sign_in.authorize),
        web.post(paths.LOGIN, sign_in.login),
        web.get(paths.DEVICE, device_pages.show),
        web.post(paths.DEVICE, device_pages.decide),
        web.get(paths.END_SESSION, end_session.end_session),
        web.post(paths.END_SESSION, end_session.end_session),
        web.post(paths.CONFIRM_END_SESSION, end_session.confirmed),
    ]
