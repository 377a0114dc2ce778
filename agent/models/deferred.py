"""Questions that are answered by file: what the ledger holds is read, what it lacks is noted for an export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.models import background
from agent.models.asking import Desk
from agent.models.calls import Call, call_for
from agent.models.endpoint import Capability, Endpoint
from agent.models.failures import LlmError, Malformed, Unscored, classify, clip, error_body, error_text
from agent.models.prices import reservation
from agent.models.replies import Said, clean, read_reply
from agent.models.scores import number_in, option_in, sampled_choice, sampled_score
from agent.models.till import answer_of
from agent.record.batch_files import Returned
from agent.record.ledger import Answer, Ledger
from agent.schema import Reply, Request, Role, Shape

PLAIN = Capability(logprobs=False, scale="percent", structured="plain", seed=False)
_BY_HAND = "by hand"


class Unanswered(LlmError):
    """Nobody has answered this request yet."""

    kind = "unanswered"


@dataclass
class Received:
    """What became of a file of answers. Lines are told as sentences where a human should look at them."""

    stored: int = 0
    repeated: int = 0
    differing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Deferred:
    """A judge that is asked by files. `asked` are the calls wanted so far by key, in order; `missing` those unanswered.

    With `single`, one plain text is a request's whole answer: the method is "samples" with n = 1.
    """

    def __init__(
        self, endpoints: Mapping[Role, Endpoint], known: Mapping[Role, Capability], ledger: Ledger, single: bool = False
    ) -> None:
        self._endpoints = endpoints
        self.known = known
        self._ledger = ledger
        self._single = single
        self.asked: dict[str, Call] = {}
        self._options: dict[str, tuple[str, ...]] = {}

    @classmethod
    def by_hand(cls, name: str, ledger: Ledger) -> "Deferred":
        """A judge that only answers in plain text, such as a chat; answers are kept under its name."""
        endpoint = Endpoint(model=name, base_url=_BY_HAND)
        return cls(dict.fromkeys(Role, endpoint), dict.fromkeys(Role, PLAIN), ledger, single=True)

    @property
    def missing(self) -> dict[str, Call]:
        return {key: call for key, call in self.asked.items() if self._ledger.answer(key) is None}

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; what nobody has answered has an error of kind "unanswered"."""
        if self._single:
            return [self._one(request) for request in requests]
        return background.run(self._all(requests))

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        desks = {role: Desk(self._endpoints[role], self.known[role], self._stored) for role in self._endpoints}
        return [await desks[request.role].reply(request) for request in requests]

    async def _stored(self, call: Call) -> Answer:
        return self._look_up(call)

    def _look_up(self, call: Call) -> Answer:
        self.asked.setdefault(call.key, call)
        stored = self._ledger.answer(call.key)
        if stored is None:
            raise Unanswered("No answer to this request has been read in yet.")
        return stored

    def _one(self, request: Request) -> Reply:
        endpoint = self._endpoints[request.role]
        call = call_for(request, endpoint.model, endpoint.base_url, self.known[request.role])
        self._options[call.key] = request.options
        try:
            answer = self._look_up(call)
            return _reply(request, answer)
        except LlmError as error:
            return Reply(error=error.named)

    def receive(self, rows: Sequence[Returned], into: Received) -> list[Returned]:
        """Store the answers to what was asked, each checked as a live reply is. Returns the rows nobody asked for.

        The first whole answer to a request counts; later ones are told where they differ. What failed is told and
        leaves its request unanswered; the ledger hears nothing of it, so that reading a file twice changes nothing.
        """
        left = []
        for row in rows:
            if row.custom_id in self.asked:
                self._take(row, self.asked[row.custom_id], into)
            else:
                left.append(row)
        return left

    def _take(self, row: Returned, call: Call, into: Received) -> None:
        endpoint = self._endpoints[call.role]
        try:
            said = _said(row, call)
            content = call.accept(said)
            if self._single:
                self._check_readable(call, content)
        except LlmError as error:
            into.failed.append(f"{row.where}: {error.named}")
            return
        before = self._ledger.answer(call.key)
        if before is not None:
            into.repeated += 1
            if before.content != content:
                into.differing.append(f"{row.where}: {clip(content, 60)!r}, where {clip(before.content, 60)!r} counts")
            return
        usage = (0, 0) if row.text is not None else said.usage or reservation(call)
        named = replace(said, model=said.model or endpoint.model)
        answer = answer_of(call, endpoint, named, content, usage)
        self._ledger.settle(self._ledger.intend(call.key, call.role, "import"), answer)
        into.stored += 1

    def _check_readable(self, call: Call, content: str) -> None:
        """A text that is no answer is asked for again: there is no second sample that could outvote it."""
        if call.shape is Shape.NUMBER and number_in(content) is None:
            raise Unscored(f"The answer is not one whole number from 0 to 100 but {clip(content, 60)!r}.")
        options = self._options.get(call.key, ())
        if call.shape is Shape.CHOICE and option_in(content, options) is None:
            raise Unscored(f"The answer is not one of {', '.join(options)} but {clip(content, 60)!r}.")


def _reply(request: Request, answer: Answer) -> Reply:
    """The reply that a single plain text stands for. Raises Unscored."""
    keys = (answer.key,)
    match request.shape:
        case Shape.NUMBER:
            return Reply(score=sampled_score([answer.content], request.thresholds), answers=keys)
        case Shape.CHOICE:
            return Reply(choice=sampled_choice([answer.content], request.options), answers=keys)
        case Shape.JSON:
            return Reply(data=answer.content, answers=keys)
        case Shape.TEXT:
            return Reply(text=answer.content, answers=keys)


def _said(row: Returned, call: Call) -> Said:
    """What the line says. Raises the named error that a live reply of this kind would have met."""
    if row.text is not None:
        if call.needs_logprobs:
            raise Malformed("A bare text has no log-probabilities: name the judge that wrote it with --plain.")
        if not row.text.strip():
            raise Malformed("The text is empty.")
        return Said(clean(row.text).strip(), "stop", "", None, ())
    if row.error is not None:
        raise classify(500, clip(clean(row.error)))
    if row.status != 200:
        raise classify(row.status or 500, error_text(error_body(row.body)))
    return read_reply(row.body)
