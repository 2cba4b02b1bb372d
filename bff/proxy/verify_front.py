"""The private listener's protocol: answers forward-auth itself, and hands all the rest to aiohttp's server.

The client of such a connection is a proxy, which asks for many browsers one after the other. Nothing is kept
from one request to the next but the connection.
"""

from collections.abc import Callable

from bff.proxy.admission import Admitted
from bff.proxy.client_connection import BY_THE_HEAD, ClientConnection
from bff.proxy.credentials import Credential
from bff.proxy.heads import RequestHead, parse_request
from bff.proxy.known import Known, LookedAt
from bff.proxy.verify import (
    FOUND,
    FOUND_LINE,
    NOBODY_LINES,
    OK,
    OK_LINE,
    Question,
    admitting,
    answer,
    as_told,
    is_forward_auth,
    is_navigation,
    login_address,
    opens_websocket,
    question_in,
    set_apart,
)
from bff.session.faults import store_problem
from bff.session.store import StoreUnavailableError
from common.problems import ProblemCode, ProblemError


class Judgement:
    """One request that is judged while its session is read (`client_connection.UnderWay`).

    `carrier`: the proxy's own request. `head`: the one it asks about. `done` is called once, or never when
    the proxy has left.
    """

    __slots__ = ("_done", "_due_at", "admitted", "carrier", "question", "status")

    def __init__(
        self,
        carrier: RequestHead,
        question: Question,
        admitted: Admitted,
        due_at: float,
        done: "Callable[[Judgement, Credential], None]",
    ) -> None:
        self._done: Callable[[Judgement, Credential], None] | None = done
        self._due_at = due_at
        self.carrier = carrier
        self.question = question
        self.admitted = admitted
        self.status = 0

    @property
    def head(self) -> RequestHead:
        return self.question.head

    def found(self, credential: Credential) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self, credential)

    def sweep(self, now_s: float) -> None:
        if now_s >= self._due_at:
            self.found(store_problem(StoreUnavailableError("slow_session")))

    def take_body(self, data: bytes) -> bytes:
        return data  # it has no body: this is the next request

    def pause_answer(self) -> None:
        """The answer is one small piece; the connection reads no further request until it has left."""

    def resume_answer(self) -> None:
        """See above."""

    def abandon(self) -> None:
        self._done = None


class VerifyFront(ClientConnection[Judgement]):
    __slots__ = ("_apart",)

    on_refusals = NOBODY_LINES

    def _parse(self, data: bytes, most_fields: int) -> RequestHead:
        rest, self._apart = set_apart(data)
        return parse_request(rest, most_fields)

    def _take_up(self, head: RequestHead) -> bool:
        admission, known = self._door.admission, Known.beside(head)
        looked_at = known.get(head, self._apart, admission)
        if looked_at is None:
            if not is_forward_auth(head.target):
                self._hand_over(head)
                return False
            looked_at = self._look(head)
            if looked_at is None:
                return True
            known.keep(head, self._apart, looked_at)
        question, admitted = looked_at.question, looked_at.admitted.again()
        due_at = self._started + self._door.limits.credential_time_s
        judgement = Judgement(head, question, admitted, due_at, self._judged)
        self._begin(head, judgement)
        self._door.credentials.find(question.head, admitted, judgement.found)
        return True

    def _look(self, head: RequestHead) -> "LookedAt | None":
        """None: it is refused."""
        try:
            question = question_in(head, self._apart)
        except ProblemError as problem:
            self._count(head.method, BY_THE_HEAD, problem.status.value)
            self._refuse(head, problem)
            return None
        admission = self._door.admission
        try:
            admitted = admission.look_for_another(question.head)
        except ProblemError as problem:
            self._refuse_question(head, question, problem)
            return None
        admitted.is_upgrade = opens_websocket(head)
        return LookedAt(admission, question, admitted)

    def _judged(self, judgement: Judgement, credential: Credential) -> None:
        try:
            self._answer(judgement, credential)
        except Exception as error:  # noqa: BLE001 - the same border: whoever read the session goes on
            self._end_by(error)

    def _answer(self, judgement: Judgement, credential: Credential) -> None:
        self._exchange = None
        if isinstance(credential, ProblemError):
            self._refuse_question(judgement.carrier, judgement.question, credential, judgement.admitted)
            return
        self._log(judgement, OK)
        self._write(judgement.carrier, OK_LINE, admitting(credential, judgement.admitted.part))

    def _refuse_question(
        self,
        carrier: RequestHead,
        question: Question,
        problem: ProblemError,
        admitted: Admitted | None = None,
    ) -> None:
        route = BY_THE_HEAD if admitted is None else admitted.route.name
        told, login = as_told(problem, question), self._login(question, problem)
        if login is not None and question.takes_redirects:
            self._count(question.head.method, route, FOUND)
            self._write(carrier, FOUND_LINE, NOBODY_LINES + b"Location: %b\r\n" % login.encode())
            return
        if login is not None:
            # nginx passes no redirect on, but makes one of the address that a 401 tells it.
            told = ProblemError(told.code, told.detail, cause=told.cause, headers={"Location": login})
        self._count(question.head.method, route, told.status.value)
        self._refuse(carrier, told)

    def _login(self, question: Question, problem: ProblemError) -> str | None:
        """Where to log in; None where that cannot be told, or would not help."""
        if problem.code is not ProblemCode.NOT_SIGNED_IN:
            return None
        # A login that leads to a login would go round in circles.
        if not is_navigation(question.head) or self._door.admission.is_own(question.target):
            return None
        return login_address(
            f"{self._door.public_url.origin()}{self._door.prefix}/login/start", question.target
        )

    def _refuse(self, carrier: RequestHead, problem: ProblemError) -> None:
        # A program reads the 401; whoever sees another refusal may be a person.
        may_be_page = problem.code is not ProblemCode.NOT_SIGNED_IN
        self._write_problem(problem, carrier, is_whole=carrier.length == 0, may_be_page=may_be_page)

    def _write(self, carrier: RequestHead, line: bytes, identity: bytes) -> None:
        down = self._down
        down.keeps_alive = carrier.keeps_alive and not self._door.is_draining
        lines = down.keep_alive_line(carrier)
        self._sender.write(answer(line, identity, self._naming.id, lines))
        self._next(is_whole=True)
