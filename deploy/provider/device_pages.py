"""The device flow as its user sees it: type the code, sign in, allow or deny."""

from dataclasses import dataclass

from aiohttp import web

from deploy.provider import pages, paths
from deploy.provider.authorize import NextStep, SignIn
from deploy.provider.browser import Browser, read_parameters, see_other, to_address
from deploy.provider.device_credentials import DeviceCredential
from deploy.provider.server import ProviderServer
from deploy.provider.sessions import BrowserSession
from deploy.provider.vault import Authorization

UNKNOWN_CODE = "This code is not known, was used, or is too old. Start again on the device."


@dataclass(frozen=True)
class DevicePages:
    server: ProviderServer
    browser: Browser
    sign_in: SignIn

    async def show(self, request: web.Request) -> web.Response:
        parameters = await read_parameters(request)
        user_code = parameters.get("user_code")
        if user_code is None:
            return self.browser.page(pages.user_code_page())
        session = self.browser.session(request)
        if session is None:
            # First the login, then the look at the code: strangers must not try codes.
            return self.sign_in.login_page(request, NextStep(paths.DEVICE, {"user_code": user_code}), "")
        credential = self.server.devices.waiting_for(user_code)
        if credential is None:
            return self._unknown_code()
        csrf = self.browser.csrf_token(request)
        html = pages.confirm_device_page(
            csrf=csrf,
            user_code=credential.user_code,
            client_id=credential.client_id,
            username=session.user.username,
        )
        return self.browser.page(html, csrf=csrf)

    async def decide(self, request: web.Request) -> web.Response:
        form = await self.browser.read_form(request)
        user_code = form.get("user_code", "")
        session = self.browser.session(request)
        if session is None:
            return see_other(to_address(paths.DEVICE, {"user_code": user_code}))
        credential = self.server.devices.waiting_for(user_code)
        if credential is None:
            return self._unknown_code()
        if form.get("decision") != "allow":
            credential.deny()
            return self._done("Denied", "The device was not signed in. You can close this page.")
        credential.approve(self._authorization(credential, session))
        return self._done("Device connected", "The device is signed in. You can close this page.")

    def _authorization(self, credential: DeviceCredential, session: BrowserSession) -> Authorization:
        # Without the browser's session: a terminal stays signed in when the browser signs out.
        return Authorization(
            id=self.server.vault.new_id(),
            client_id=credential.client_id,
            user=session.user,
            scope=credential.scope,
            resource=credential.resource,
            auth_time=session.auth_time,
        )

    def _unknown_code(self) -> web.Response:
        return self.browser.page(pages.user_code_page(UNKNOWN_CODE), status=404)

    def _done(self, title: str, message: str) -> web.Response:
        return self.browser.page(pages.message_page(title, message))
