"""The review as a program of the terminal: keys become acts at the session, each stored at once."""

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, OptionList

from agent.errors import UserError
from agent.review.cards import Card
from agent.review.session import BulkKind, ReviewSession, require_editable, taken_back
from agent.review.terminal.board import Board, Look
from agent.review.terminal.checks import Checks
from agent.review.terminal.deck import Deck, Show
from agent.review.terminal.dialogs import Help, QuestionDialog
from agent.review.terminal.editor import Editor
from agent.review.terminal.keys import ACTIONS
from agent.review.terminal.lifeline import heed_signals
from agent.review.terminal.lines import EFFECTS
from agent.review.terminal.many import Bulk
from agent.review.terminal.words import DOUBT, GOOD
from agent.review.terminal.writing import Aside, Writing
from agent.schema import Act

_LOOK_EVERY, _TELL_EVERY = 2.0, 0.3  # seconds
_PAST = {Act.APPROVE: "approved", Act.REJECT: "rejected", Act.DROP: "dropped"}


T = TypeVar("T")


class Review(App[None]):
    """One reviewer before the sessions of some traits. `doing` says what a running check is at.

    Whatever is decided is stored by the session at once. A text that was being written when the terminal went away is
    stored as an edit too: nobody can approve it before it is checked.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding(keys, action) for keys, action in ACTIONS.items()]

    def __init__(self, sessions: Sequence[ReviewSession], doing: Callable[[], str] = str, when_done: str = "") -> None:
        """`when_done` is a sentence for the moment in which nothing is left to decide.

        Raises DecisionError or DatasetError where the pairs cannot be read.
        """
        super().__init__()
        self._decks = [Deck(session) for session in sessions]
        for deck in self._decks:
            deck.read()
        self._board = Board(len(sessions))
        self._doing, self._when_done = doing, when_done
        self._number = 0
        self._shown: Card | None = None  # what the reviewer has before their eyes, and decides about
        self._is_old = False  # the pair has changed since it was shown
        self._three: bool | None = None  # None: three ways where there is a conflict, evidence for all else
        self._checks = Checks(lambda *came: self.call_from_thread(self._checked, *came))
        self._aside: Aside = {}

    def compose(self) -> ComposeResult:
        yield self._board

    def on_mount(self) -> None:
        self._number = next((i for i, deck in enumerate(self._decks) if deck.waiting), 0)
        self._show()
        self._board.pairs.focus()
        self._tell_if_done()
        self.set_interval(_LOOK_EVERY, self._look)
        self.set_interval(_TELL_EVERY, self._tell_check)
        self.screen_change_signal.subscribe(self, lambda screen: self._see())
        heed_signals(self.exit, self._hang_up)

    @property
    def _deck(self) -> Deck:
        return self._decks[self._number]

    # Showing

    def _show(self) -> None:
        """Everything as last read. The pair shown is from now on the one that is decided about."""
        moved = self._shown is None or self._shown.pair != self._deck.at
        self._shown, self._is_old = self._deck.card, False
        self._show_list()
        self._draw()
        self._see()
        if moved:
            self._board.texts.scroll_home(animate=False)

    @on(events.DescendantFocus)
    def _see(self) -> None:
        """Note that the pair shown was seen, unless something covers it, or it only flits by in a search."""
        if self._shown is not None and len(self.screen_stack) == 1 and not self._board.is_searching:
            self._deck.session.mark_seen(self._shown.pair, self._shown.view_token)

    def _show_list(self) -> None:
        self._board.show_deck(self._deck, self._number, self._is_checking)

    def _draw(self) -> None:
        card = self._shown
        checking = self._doing() if card and self._is_checking(card) else None
        three = bool(card and card.conflict) if self._three is None else self._three
        self._board.show_pair(Look(card, checking, three, self._is_old), self._deck)

    def _refuse(self, sentence: object) -> None:
        self._board.tell(str(sentence), f"bold {DOUBT}")

    def _tried(self, act: Callable[[], T]) -> T | None:
        """What an act gives; None where it went wrong, which is told."""
        try:
            return act()
        except UserError as error:
            self._refuse(error)
            return None

    def _go(self, pair: str | None) -> None:
        """Another pair; None stays."""
        self._deck.at = pair or self._deck.at
        self._three = None
        self._show()

    def _reread(self) -> None:
        self._tried(self._deck.read)
        self._show()

    def _look(self) -> None:
        """See what others have done. What the reviewer has before their eyes is not exchanged under them."""
        changed = self._tried(self._deck.read_if_changed)
        card = self._deck.card
        if (
            changed
            and card
            and self._shown
            and card.pair == self._shown.pair
            and card.version_token != self._shown.version_token
        ):
            self._show_list()
            self._is_old = True
            self._draw()
        elif changed:
            self._show()

    def _tell_if_done(self) -> None:
        if not any(deck.waiting for deck in self._decks):
            self._board.tell(f"Everything is decided. {self._when_done}".strip(), f"bold {GOOD}")

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index == self._board.pairs.highlighted:
            pair = self._board.pair_at(event.option_index)
            if self._shown is None or pair != self._shown.pair:
                self._go(pair)

    @on(OptionList.OptionSelected)
    def action_anew(self) -> None:
        self._reread()

    # Deciding

    def action_decide(self, name: str) -> None:
        card, deck, act = self._shown, self._deck, Act(name)
        if card is None:
            return
        try:
            now = deck.session.decide(card.pair, act, card.version_token)
        except UserError as error:
            self._reread()
            self._refuse(error)
            return
        self._reread()
        self._go(deck.next_waiting())
        self._board.tell(
            f"{card.pair} is {_PAST[act]}{': ' + EFFECTS[now.effect] if now.effect else ''}. u takes it back."
        )
        self._tell_if_done()

    def action_undo(self) -> None:
        deck = self._deck
        taken = self._tried(deck.session.undo)
        if taken is None:
            return
        self._reread()
        self._go(taken[0].pair)
        self._board.tell(taken_back(taken))

    def action_approve_many(self, many: str) -> None:
        deck = self._deck

        def done(said: str) -> None:
            self._reread()
            self._go(deck.next_waiting())
            self._board.tell(said)
            self._tell_if_done()

        bulk = Bulk(lambda asked, then: self.push_screen(QuestionDialog(asked), then), self._refuse, done)
        bulk.begin(deck.session, BulkKind(many))

    # Editing

    def action_edit(self) -> None:
        card, session = self._shown, self._deck.session
        if card is None or self._tried(lambda: require_editable(card)) is None:
            return

        def ended(stored: bool | None) -> None:
            self._reread()
            if stored:
                self._check(session, card.pair)
            elif (session.proposal.trait, card.pair) in self._aside:
                self._refuse("Not stored. Until you quit, e brings your texts back.")

        self.push_screen(Editor(Writing(session, card, self._aside)), ended)

    def action_check(self) -> None:
        if self._shown is not None and not self._is_checking(self._shown):
            self._check(self._deck.session, self._shown.pair)

    def _check(self, session: ReviewSession, pair: str) -> None:
        self._checks.start(session, pair)
        self._board.tell(f"{pair} is being checked; go on with others meanwhile.")
        self._show()

    def _checked(self, pair: str, said: str, style: str) -> None:
        if self._shown is not None and self._shown.pair == pair:
            self._reread()
        else:
            self._look()
        self._board.tell(said, f"bold {style}")

    def _is_checking(self, card: Card) -> bool:
        return self._checks.is_running(self._deck.trait, card.pair)

    def _tell_check(self) -> None:
        if self._shown is not None and self._is_checking(self._shown):
            self._draw()

    # Looking around

    def action_skip(self) -> None:
        pair = self._deck.next_waiting()
        self._go(pair)
        if pair is None:
            self._board.tell("No other listed pair needs a decision.")

    def action_filter(self) -> None:
        shows = list(Show)
        deck = self._deck
        deck.filter(shows[(shows.index(deck.show) + 1) % len(shows)], deck.find)
        self._go(None)

    def action_find(self) -> None:
        self._board.begin_search()

    @on(Input.Changed)
    def _find(self, event: Input.Changed) -> None:
        self._deck.filter(self._deck.show, event.value)
        self._go(None)

    def action_unfind(self) -> None:
        self._board.end_search()

    def action_conflict(self) -> None:
        card = self._shown
        if card is None or not card.conflict:
            self._board.tell("No conflict here: the dataset's pair is still the one that the run saw.")
            return
        self._three = not (True if self._three is None else self._three)
        self._draw()

    def action_trait(self) -> None:
        if len(self._decks) == 1:
            self._board.tell("This experiment has one trait with a proposal.")
            return
        self._number = (self._number + 1) % len(self._decks)
        self._board.find.value = self._deck.find
        self._shown = None
        self._reread()

    def action_move(self, by: int) -> None:
        pairs = self._board.pairs
        pairs.action_cursor_down() if by > 0 else pairs.action_cursor_up()

    def action_scroll(self, by: int) -> None:
        texts = self._board.texts
        texts.scroll_page_down(animate=False) if by > 0 else texts.scroll_page_up(animate=False)

    def action_help(self) -> None:
        self.push_screen(Help())

    # Leaving

    def action_leave(self) -> None:
        if not self._checks.running:
            self.exit()
            return
        self.push_screen(QuestionDialog(self._checks.question), lambda yes: self.exit() if yes else None)

    def _hang_up(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, Editor):
                screen.give_up()
