"""What holds for every request: its host is this machine, and its answer tells the browser to be strict."""
# mypy: disable-error-code="import-untyped"

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from authlib.oauth2 import OAuth2Error

from deploy.provider import pages
from deploy.provider.browser import Browser, ForgedFormError
from deploy.provider.loopback import is_loopback_authority


@web.middleware
async def refuse_foreign_hosts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses requests that came here under another name than this machine's.

    A page of a site whose name is made to resolve to 127.0.0.1 (DNS rebinding) would be same-origin with the
    provider; it cannot hide the name it was loaded under.
    """
    if len(request.headers.getall("Host", [])) != 1 or not is_loopback_authority(request.host):
        return web.Response(status=421, text="This provider answers only as 127.0.0.1, [::1] or localhost.\n")
    return await handler(request)


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Not no-referrer: with that, browsers send `Origin: null` with our own forms.
    response.headers["Referrer-Policy"] = "same-origin"


def explain_faults(browser: Browser) -> Middleware:
    """A middleware that shows faults of a request as a page, without a redirect to anybody."""

    @web.middleware
    async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except OAuth2Error as error:
            html = pages.message_page("This request cannot go on", error.description or error.error)
            return browser.page(html, status=400)
        except ForgedFormError:
            html = pages.message_page(
                "This form is too old", "Go back, load the page again, and try once more."
            )
            return browser.page(html, status=403)

    return explain
