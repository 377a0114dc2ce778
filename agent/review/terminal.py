"""Review in a terminal: a prompt loop in the manner of `git add -p`, one key and Enter per decision."""

import readline
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TextIO

from rich.console import Console

from agent.errors import UserError
from agent.review import labels
from agent.review.background_checks import BackgroundChecks, StillChecking, result_message
from agent.review.cards import Card, CardState
from agent.review.labels import ActivityFunction
from agent.review.session import BulkKind, NotAllowed, ReviewSession, require_editable, undone_message
from agent.review.terminal_view import DOUBT, GOOD, LABEL, card_view, escape, help_view, plain, unescape
from agent.schema import Act, Polarity
from agent.text import pluralize, safe_text

_UNFINISHED = "not finished: the terminal was closed"


@dataclass
class _Input:
    """Lines typed by the reviewer. `partial` is the unfinished line when a signal ended the input."""

    stream: TextIO
    console: Console
    partial: str = ""

    def ask(self, prompt: str, text: str = "") -> str:
        """One line, without its line feed. On a real terminal it starts as `text`. Raises EOFError at the end."""
        if self.stream is sys.stdin and sys.stdin.isatty():
            readline.set_startup_hook(lambda: readline.insert_text(text))
            try:
                return input(prompt)
            except OSError as error:  # the terminal was closed
                raise EOFError from error
            finally:
                readline.set_startup_hook()
        self.console.print(prompt, end="", soft_wrap=True)
        line = self.stream.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Within it, SIGTERM and a closed terminal end the input like an end of file, and keep the line so far."""

        def end(number: int, frame: FrameType | None) -> None:
            self.partial = readline.get_line_buffer()  # empty by now if the terminal was closed
            raise KeyboardInterrupt if number == signal.SIGINT else EOFError

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        earlier = {number: signal.signal(number, end) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


class Quit(Exception):
    """The reviewer is done."""


@dataclass
class TerminalReview:
    """Prompt loop over the sessions of some traits, on any two text streams. Decisions are stored as they are made.

    `activity` says what a running check is doing; `when_done` is a sentence for when nothing is left to decide;
    `check_wait` is the number of seconds to wait for a check before going on with other pairs.
    """

    sessions: Sequence[ReviewSession]
    activity: ActivityFunction = lambda: ""
    when_done: str = ""
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    check_wait: float = 2.0  # chosen by judgement: a cached check has ended by then

    def __post_init__(self) -> None:
        self.console = Console(file=self.stdout, highlight=False, markup=False, emoji=False)
        self._input = _Input(self.stdin, self.console)
        self._checks, self._running = BackgroundChecks(), dict[tuple[str, str], ReviewSession]()
        self._drafts: dict[tuple[str, str], tuple[str, str]] = {}
        waiting = (n for n, session in enumerate(self.sessions) if any(card.is_pending for card in session.cards()))
        self._number, self._words = next(waiting, 0), ""
        self._card: Card | None = None

    @property
    def session(self) -> ReviewSession:
        return self.sessions[self._number]

    def run(self) -> None:
        """Ask until the reviewer quits, or the input ends. Raises DecisionError or DatasetError at the start."""
        self._go(self._next_pending())
        with suppress(EOFError, KeyboardInterrupt, Quit), self._input.ended_by_signals():
            while True:
                self._report_checks()
                self._act(self._input.ask(self._prompt()).strip())
        if self._running:
            pairs = ", ".join(safe_text(pair) for _, pair in self._running)
            self._say(f"Still being checked: {pairs}. The edits are stored; check them again with x.", DOUBT)

    def _act(self, typed: str) -> None:
        try:
            if typed.startswith("/"):
                self._find(typed[1:])
            elif typed.isdecimal():
                self._go_to_number(int(typed))
            elif (action := self.actions.get(typed)) is not None:
                action()
            else:
                self._say(f"There is no key {typed[:20]!r}. Type ? for help.", DOUBT)
        except UserError as error:
            self._say(str(error), DOUBT)
            self._show_if_changed()

    @property
    def actions(self) -> dict[str, Callable[[], object]]:
        """What each key does; the empty one is Enter."""
        return {
            "a": lambda: self._decide(Act.APPROVE),
            "r": lambda: self._decide(Act.REJECT),
            "d": lambda: self._decide(Act.DROP),
            "e": self._edit,
            "x": lambda: self._check(self._shown()),
            "u": self._undo,
            "A": lambda: self._approve_bulk(BulkKind.UNFLAGGED),
            "S": lambda: self._approve_bulk(BulkKind.SEEN),
            "": lambda: self._step(1),
            "n": lambda: self._step(1),
            "p": lambda: self._step(-1),
            "s": self._skip,
            "t": self._next_trait,
            "?": lambda: self.console.print(help_view(self.session.proposal.mode)),
            "q": self._quit,
        }

    # What is shown

    def _say(self, sentence: str, style: str = "bold") -> None:
        for line in sentence.split("\n"):
            self.console.print(plain(line, style))

    def _prompt(self) -> str:
        cards = [card for card in self.session.cards() if card.state is not CardState.UNCHANGED]
        trait = f"{safe_text(self.session.proposal.trait)} " if len(self.sessions) > 1 else ""
        listed = f", {len(self._listed())} listed" if self._words else ""
        done = sum(not card.is_pending for card in cards)
        return f"{trait}{done} of {len(cards)} decided{listed} [a,r,e,d,u,x,A,S,n,p,s,/,?,q] "

    def _listed(self) -> list[Card]:
        """The pairs with something proposed; in a search, all pairs whose texts or labels hold its words."""
        cards = self.session.cards()
        if not self._words:
            return [card for card in cards if card.state is not CardState.UNCHANGED]
        return [card for card in cards if any(self._words in text.casefold() for text in _searched(card))]

    def _next_pending(self) -> str | None:
        """The next listed pair after this one that needs a decision, past the end from the start; None if none does."""
        pairs = [card.pair for card in self._listed()]
        start = pairs.index(self._card.pair) + 1 if self._card and self._card.pair in pairs else 0
        pending = {card.pair for card in self._listed() if card.is_pending}
        return next((pair for pair in (*pairs[start:], *pairs[:start]) if pair in pending), None)

    def _go(self, pair: str | None) -> None:
        """Show a pair. Without one, say that all is decided."""
        if pair is None:
            self._say(f"Everything listed is decided. {self.when_done}".rstrip(), GOOD)
            return
        card = self._card = self.session.card(pair)
        places = {listed.pair: place for place, listed in enumerate(self._listed(), 1)}
        self.console.print(f"\n{places.get(pair, '-')} of {len(places)}  ", end="", style=LABEL)
        self.console.print(card_view(card, self.session.proposal))
        self.console.print(labels.approval_effect(card) if card.is_pending and card.has_proposal else "", style=LABEL)
        self.session.mark_seen(pair, card.view_token)

    def _shown(self) -> Card:
        if self._card is None:
            raise NotAllowed("No pair is shown: find one with /.")
        return self._card

    def _show_if_changed(self) -> None:
        if self._card and self.session.card(self._card.pair).view_token != self._card.view_token:
            self._go(self._card.pair)

    # What the keys do

    def _decide(self, act: Act) -> None:
        card = self._shown()
        if self._checks.running(self._key(card)):
            raise StillChecking(labels.disabled_reason(card, act, checking=True))
        self.session.decide(card.pair, act, card.version_token)
        self._say(f"{card.pair} {labels.DECISIONS[act]}. u takes it back.")
        self._go(self._next_pending())

    def _undo(self) -> None:
        taken = self.session.undo()
        self._say(undone_message(taken))
        self._go(taken[0].pair)

    def _approve_bulk(self, kind: BulkKind) -> None:
        bulk = self.session.bulk_approval(kind)
        if not bulk.cards:
            self._say(bulk.empty_reason, DOUBT)
            return
        self._say("\n".join((bulk.title, *bulk.sentences)))
        if self._input.ask("[y,n] ").strip() != "y":
            self._say("Nothing was approved.")
            return
        approved = self.session.approve_bulk(kind, bulk.version_token)
        self._say(f"Approved {pluralize(len(approved), 'pair')}. u takes all of them back.")
        self._go(self._next_pending())

    def _edit(self) -> None:
        card = require_editable(self._shown())
        last, ours = card.decision, tuple(side.text for side in card.ours.sides)
        edited = (last.positive, last.negative) if last and last.positive is not None and last.negative else ours
        texts = list(self._drafts.get(self._key(card), edited))
        self._say(r"Change each text, then Enter. A hidden character is shown as \u{hex}. Ctrl-C cancels.", LABEL)
        for number, polarity in enumerate(Polarity):
            self._input.partial = ""
            try:
                texts[number] = unescape(self._input.ask(f"{polarity}: ", escape(texts[number]))) or texts[number]
            except (EOFError, KeyboardInterrupt) as end:
                texts[number] = unescape(self._input.partial) or texts[number]
                self._keep(card, (texts[0], texts[1]), is_over=isinstance(end, EOFError))
                if isinstance(end, EOFError):
                    raise
                return
        self._store(card, texts[0], texts[1])

    def _keep(self, card: Card, texts: tuple[str, str], is_over: bool) -> None:
        """Keep an unfinished edit: until the reviewer quits or, if the terminal is gone, as an unchecked edit."""
        if texts == tuple(side.text for side in card.ours.sides):
            return
        self._drafts[self._key(card)] = texts
        if is_over:
            with suppress(UserError):  # a text that cannot be stored, and nobody is there to correct it
                self.session.store_edit(card.pair, *texts, card.version_token, _UNFINISHED)
        else:
            self._say("\nNot stored. Until you quit, e brings your texts back.")

    def _store(self, card: Card, positive: str, negative: str) -> None:
        if (positive, negative) == (card.ours.positive.text, card.ours.negative.text):
            self._say("Nothing was changed.")
            return
        self._drafts[self._key(card)] = (positive, negative)
        edited = self._card = self.session.store_edit(card.pair, positive, negative, card.version_token)
        del self._drafts[self._key(card)]
        if self.session.recheck is None:
            self._say("The edit is stored, but not checked: open the review without --no-recheck to check it.", DOUBT)
        else:
            self._check(edited)

    def _check(self, card: Card) -> None:
        session = self.session
        self._say(f"Checking {card.pair}…", LABEL)
        self._checks.start(self._key(card), lambda: session.check(card.pair), self.check_wait)
        self._running[self._key(card)] = session
        if self._checks.running(self._key(card)):
            doing = f" ({self.activity()})" if self.activity() else ""
            self._say(f"The check of {card.pair} goes on{doing}. Continue with other pairs; Enter updates.", LABEL)

    def _report_checks(self) -> None:
        """Print the result of each check that has ended since the last prompt."""
        for key in [key for key in self._running if not self._checks.running(key)]:
            session = self._running.pop(key)
            card = session.card(key[1])
            is_shown = session is self.session and self._card is not None and self._card.pair == card.pair
            if is_shown:
                self._go(card.pair)
            self._say(f"{card.pair}: {self._checks.error_message(key) or result_message(card)}")

    def _key(self, card: Card) -> tuple[str, str]:
        return self.session.proposal.trait, card.pair

    # Which pair is shown

    def _step(self, by: int) -> None:
        pairs = [card.pair for card in self._listed()]
        at = pairs.index(self._card.pair) + by if self._card and self._card.pair in pairs else 0
        if 0 <= at < len(pairs):
            self._go(pairs[at])
        else:
            self._say("This is the end of the list." if pairs else "No pair is listed.")

    def _go_to_number(self, number: int) -> None:
        pairs = [card.pair for card in self._listed()]
        if 1 <= number <= len(pairs):
            self._go(pairs[number - 1])
        else:
            self._say(f"{pluralize(len(pairs), 'pair')} listed: there is no number {number}.", DOUBT)

    def _find(self, words: str) -> None:
        earlier, self._words = self._words, words.strip().casefold()
        listed = self._listed()
        if not listed:
            self._say("No pair has these words.", DOUBT)
            self._words = earlier
            return
        self._card = None
        self._go(self._next_pending() or listed[0].pair)

    def _skip(self) -> None:
        self._go(self._next_pending())

    def _next_trait(self) -> None:
        if len(self.sessions) == 1:
            self._say("This experiment has one trait with a proposal.")
            return
        self._number, self._words, self._card = (self._number + 1) % len(self.sessions), "", None
        self._go(self._next_pending())

    def _quit(self) -> None:
        raise Quit


def _searched(card: Card) -> Iterator[str]:
    yield from (card.pair, card.what, card.state.value, labels.state_name(card), card.outcome.value)
    yield from (*(warning.value for warning in card.warnings), *(side.text for side in card.ours.sides))
    yield from (found.verdict.value for found in card.evidence if found and found.verdict)
