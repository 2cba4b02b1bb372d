"""A session that outlives its access tokens."""

from pathlib import Path

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.stack import development_stack
from tests.e2e.visitor import Visitors, fetch, sees_user

pytestmark = WITH_BROWSER

ACCESS_TOKEN_S = 2

# Answers when the third access token is in use and the first has expired.
THIRD_TOKEN = """async (first) => {
    const used = new Set([first.jti]);
    while (used.size < 3 || Date.now() <= first.exp * 1000) {
        const [claims, me] = await Promise.all([fetch("/claims"), fetch("/api/v1/users/me")]);
        if (!claims.ok || !me.ok) return [claims.status, me.status];
        used.add((await claims.json()).jti);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return [200, 200];
}"""


async def test_a_session_goes_on_when_its_access_tokens_expire(tmp_path: Path, visitors: Visitors) -> None:
    """Twice, since the second time only a refresh token that was kept will do."""
    async with development_stack(tmp_path, lifetimes={"access_token_s": ACCESS_TOKEN_S}) as stack:
        visitor = await visitors.at(stack.product)
        page = await visitor.logged_in()
        cookie = await visitor.session_cookie()
        first = (await fetch(page, "/claims")).json
        assert first["exp"] - first["iat"] == ACCESS_TOKEN_S

        assert await page.evaluate(THIRD_TOKEN, first) == [200, 200]
        await page.reload()
        await sees_user(page)
        assert await visitor.session_cookie() == cookie
        await visitor.remember_secrets()
