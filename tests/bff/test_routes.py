"""Every route of the agent says who may call it, and what is open is a short list."""

import re

from tests.bff.agent import Agent, run_agent

OPEN = {
    "/login/start",
    "/login/end",
    "/session",
    "/logout",
    "/logout/{ticket}",
    "/backchannel-logout",
}


async def test_only_these_routes_are_open_and_all_others_refuse_a_stranger(agent: Agent) -> None:
    stranger = await agent.browser()
    patterns = {route.resource.canonical for route in agent.app.router.routes() if route.resource}

    refused = set()
    for pattern in patterns:
        path = re.sub(r"\{path\}", "v1", pattern).replace("{ticket}", "t").replace("{id}", "i")
        answers = [await stranger.call(method, path) for method in ("GET", "POST", "DELETE")]
        if {answer.status_code for answer in answers} <= {401, 405}:
            refused.add(pattern)

    assert patterns - refused == OPEN


async def test_the_table_is_the_surface() -> None:
    async with run_agent(OIDC_FLOW="both", PREFIX="/web") as agent:
        served = {route.resource.canonical for route in agent.app.router.routes() if route.resource}

        assert "/device/api/{path}" in served
        assert {f"/web{path}" for path in OPEN} <= served
