"""The device flow (RFC 8628): a code for the person, then polls until they have decided."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cli import provider
from cli.access import credentials_of
from cli.addresses import ensure_named_by
from cli.answers import DeviceCode, Provider, Tokens
from cli.client import Client
from cli.errors import CliError, UnreachableError
from cli.keep import Credentials
from cli.output import Output
from common.clock import Clock

DEFAULT_INTERVAL_S: Final = 5.0
SLOW_DOWN_S: Final = 5.0
LONGEST_BACK_OFF_S: Final = 60.0


@dataclass(frozen=True)
class Terminal:
    """The person who has to confirm the login, in front of a terminal and perhaps of a browser."""

    output: Output
    server: str
    open_browser: Callable[[str], bool] | None

    def show_code(self, code: DeviceCode) -> None:
        """The code is shown even where a browser brings it along.

        The person compares it with the page's (RFC 8628 section 3.3.1): it could be somebody else's login.
        """
        self.output.show_code(self.server, code)
        address = code.verification_uri_complete or code.verification_uri
        if self.open_browser is not None and self.open_browser(address):
            self.output.say("Your browser was opened there: compare the code and confirm.")
        elif code.verification_uri_complete is not None:
            self.output.say(f"Or open {address} and compare the code.")


@dataclass
class Pace:
    """How long to wait before the next question."""

    interval_s: float
    faults: int = 0

    @property
    def delay_s(self) -> float:
        """Doubled with each fault in a row (RFC 8628 section 3.5), never shorter than the provider asks."""
        return max(self.interval_s, min(self.interval_s * 2.0**self.faults, LONGEST_BACK_OFF_S))

    def slow_down(self) -> None:
        """For this and all later questions (RFC 8628 section 3.5)."""
        self.interval_s += SLOW_DOWN_S


@dataclass(frozen=True)
class DeviceLogin:
    """One login of a person. Raises `CliError` when it was denied, came too late, or cannot be."""

    client: Client
    clock: Clock
    sleep: Callable[[float], None]
    terminal: Terminal

    def run(self, whose: Provider) -> Credentials:
        code = provider.ask_for_device_code(self.client, whose)
        deadline = self.clock.monotonic() + code.expires_in
        for address in (code.verification_uri, code.verification_uri_complete):
            # It goes to a terminal and to a browser, where the person types a password.
            if address is not None:
                ensure_named_by(whose.token_endpoint, address)
        self.terminal.show_code(code)
        with self.terminal.output.waiting_until(deadline):
            return self._wait_for_decision(whose, code, deadline)

    def _wait_for_decision(self, whose: Provider, code: DeviceCode, deadline: float) -> Credentials:
        # Some send 0, which would be a flood.
        pace = Pace(max(1.0, DEFAULT_INTERVAL_S if code.interval is None else code.interval))
        outcome = _too_late()
        while (left := deadline - self.clock.monotonic()) > 0:
            self.sleep(min(pace.delay_s, left))
            asked_at = self.clock.now()
            try:
                tokens = self._ask(whose, code, pace)
            except UnreachableError as fault:
                pace.faults += 1
                outcome = fault
                continue
            if tokens is not None:
                return credentials_of(tokens, whose, asked_at, former=None)
            outcome = _too_late()
            pace.faults = 0
        raise outcome

    def _ask(self, whose: Provider, code: DeviceCode, pace: Pace) -> Tokens | None:
        """The tokens, None while the person has not decided."""
        try:
            return provider.ask_for_tokens(self.client, whose, code.device_code)
        except provider.OAuthRefusalError as refusal:
            match refusal.error:
                case "authorization_pending":
                    return None
                case "slow_down":
                    pace.slow_down()
                    return None
                case "access_denied":
                    raise CliError("The login was denied.", "Run `doorward login` to try again.") from None
                case "expired_token":
                    raise _too_late() from None
                case _:
                    raise


def _too_late() -> CliError:
    return CliError("The code expired before the login was confirmed.", "Run `doorward login` again.")
