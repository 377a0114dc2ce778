"""Checks of edited texts, each in a thread beside the screen."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.errors import UserError
from agent.review.cards import Card, after_failing
from agent.review.session import ReviewSession
from agent.review.terminal.words import BAD, DOUBT, GOOD
from agent.schema import Outcome
from agent.text import verb_for


@dataclass
class Checks:
    """What is being checked. `ended` hears, in a check's own thread, the pair, what came of it, and in which colour."""

    ended: Callable[[str, str, str], None]
    running: set[tuple[str, str]] = field(default_factory=set)

    def is_running(self, trait: str, pair: str) -> bool:
        return (trait, pair) in self.running

    @property
    def question(self) -> str:
        """What is asked of a reviewer who leaves while something is being checked."""
        pairs = ", ".join(sorted(pair for _, pair in self.running))
        are = verb_for(len(self.running), "is", "are")
        return f"{pairs} {are} still being checked. What you wrote is stored; x checks it again next time. Quit?"

    def start(self, session: ReviewSession, pair: str) -> None:
        """Check a pair. The thread never holds up the end of the program, since a check can be repeated."""
        self.running.add((session.proposal.trait, pair))
        threading.Thread(target=self._run, args=(session, pair), name=f"check {pair}", daemon=True).start()

    def _run(self, session: ReviewSession, pair: str) -> None:
        said, style = f"The check of {pair} met a bug and ended. Your edit is stored; x checks it again.", BAD
        try:
            said, style = _found(session.check(pair))
        except UserError as error:
            said, style = f"{error} x checks it again.", DOUBT
        finally:
            self.running.discard((session.proposal.trait, pair))
            self.ended(pair, said, style)


def _found(card: Card) -> tuple[str, str]:
    if card.outcome is Outcome.PASS:
        return f"{card.pair} passes with your text: a approves it.", GOOD
    if card.outcome is Outcome.FAIL:
        return f"{card.pair} fails with your text: see its evidence, and {after_failing(card)}.", BAD
    return f"{card.pair} could not be judged to an end: x checks it again.", DOUBT
