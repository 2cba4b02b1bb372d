"""Whether a session's grants are enough for a route. Pure; whether there is one is looked at before."""

from dataclasses import dataclass
from urllib.parse import quote

from bff.proxy.route_table import Policy
from bff.session.grants import Grants
from common.problems import ProblemCode, ProblemError


@dataclass(frozen=True, slots=True)
class Refusal:
    code: ProblemCode
    detail: str
    cause: str
    challenge: str | None = None

    def problem(self) -> ProblemError:
        headers = None if self.challenge is None else {"WWW-Authenticate": self.challenge}
        return ProblemError(self.code, self.detail, cause=self.cause, headers=headers)


def refusal_of(policy: Policy, grants: Grants) -> Refusal | None:
    """Why this route is not for this login; None when it is.

    What a new login cannot mend comes first: nobody is sent through a second factor in vain.
    """
    if policy.roles and not (policy.roles & grants.roles):
        return _missing_role()
    if not policy.scopes <= grants.scopes:
        return _missing_scope(policy)
    if policy.acr and grants.acr not in policy.acr:
        return _weak_login(policy)
    return None


def _missing_role() -> Refusal:
    # Which role it would take is for the operator to say, and not for everybody who asks.
    detail = "Your account does not have a role that may do this."
    return Refusal(ProblemCode.FORBIDDEN, detail, "missing_role")


def _missing_scope(policy: Policy) -> Refusal:
    """RFC 6750 section 3.1."""
    scopes = " ".join(sorted(policy.scopes))
    detail = f"This takes all of these scopes, and your login lacks one: {scopes}."
    challenge = f'Bearer error="insufficient_scope", scope="{scopes}"'
    return Refusal(ProblemCode.INSUFFICIENT_SCOPE, detail, "missing_scope", challenge)


def _weak_login(policy: Policy) -> Refusal:
    """The challenge of RFC 9470, but on a 403.

    Apps answer a 401 with a plain login, which comes back as weak as before: they would go round in circles.
    """
    wanted = " ".join(policy.acr)
    detail = (
        "This takes a stronger login. Send the browser to "
        f"/login/start?acr_values={quote(wanted, safe='')}&redirect=, with the address to come back to."
    )
    challenge = f'Bearer error="insufficient_user_authentication", acr_values="{wanted}"'
    return Refusal(ProblemCode.STEP_UP_REQUIRED, detail, "weak_login", challenge)
