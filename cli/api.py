"""What is asked of the Doorward server before anybody is logged in, and of the listeners of an agent."""

from http import HTTPStatus
from urllib.parse import urlencode

from cli.addresses import ensure_named_by
from cli.answers import Explanation, Problem, Provider, User, decode
from cli.client import Client
from cli.errors import CliError
from cli.replies import Told, expect, reason_of, told


def provider_of(client: Client, server: str) -> Provider:
    """Whom this server lets command lines log in with: the device-mode agent knows."""
    answer = client.get(f"{server}/login/start")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError(f"There is no Doorward at {server}.", "Check --server.")
    provider = expect(answer, server, Provider)
    if provider.audience_param != "none" and not provider.audience:
        raise CliError(
            f"{server} wants an audience but names none.", "Ask its operator to set OIDC_AUDIENCE."
        )
    for endpoint in (
        provider.device_authorization_endpoint,
        provider.token_endpoint,
        provider.revocation_endpoint,
    ):
        if endpoint is not None:
            ensure_named_by(server, endpoint)
    return provider


def ask_who_i_am(client: Client, server: str, access_token: str) -> Told[User]:
    """The user of this token."""
    return told(client.get(f"{server}/api/v1/users/me", access_token=access_token), server, User)


def explain_route(client: Client, agent: str, method: str, path: str) -> Told[Explanation]:
    """Which route this request would meet. `agent` is its private listener."""
    query = urlencode({"method": method, "path": path})
    answer = client.get(f"{agent}/routes/explain?{query}")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError(
            f"{agent} explains no routes.",
            "Check --agent: it must be the PRIVATE_LISTEN address of the agent.",
        )
    if answer.status == HTTPStatus.BAD_REQUEST:
        problem = decode(answer.body, Problem) or Problem()
        raise CliError(f"{agent} refused: {reason_of(answer, problem)}")
    return told(answer, agent, Explanation)
