"""What is on the screen: the list of pairs, the selected one's texts and evidence, a line of news, and the keys."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from agent.review.cards import Card
from agent.review.labels import LAST_ACT
from agent.review.terminal.deck import Deck
from agent.review.terminal.evidence import sides
from agent.review.terminal.keys import TOLD
from agent.review.terminal.lines import Row, heading, row
from agent.review.terminal.words import DOUBT, LABEL, plain
from agent.text import safe_text


@dataclass(frozen=True)
class Look:
    """How one pair is looked at. `checking`: what its running check is at, None where there is none."""

    card: Card | None
    checking: str | None
    three: bool
    is_old: bool


class Board(Container):
    """All that a reviewer sees. It decides nothing."""

    SCOPED_CSS = False  # the rules ask how wide the screen is
    DEFAULT_CSS = """
    Board #head, Board #told, Board #keys { height: auto; padding: 0 1; }
    Board #head, Board #keys { background: $panel; }
    Board #find { display: none; }
    Board #body { layout: vertical; height: 1fr; }
    Board #pairs {
        height: 32%; min-height: 4; border: none; padding: 0; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    Board #pairs > .option-list--option { padding: 0 1; }
    Board #detail { height: 1fr; border-top: solid $foreground 20%; padding: 0 1; scrollbar-size-vertical: 1; }
    Board #detail:focus { border-top: solid $accent; }
    Board #card { height: auto; }
    .-wide Board #body { layout: horizontal; }
    .-wide Board #pairs { width: 40%; height: 100%; }
    .-wide Board #detail { border-top: none; border-left: solid $foreground 20%; }
    """

    def __init__(self, traits: int) -> None:
        super().__init__()
        self._traits = traits
        self._rows: list[tuple[str, Row]] = []
        self._drawn: dict[tuple[str, str], tuple[Card, bool, Row]] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Input(placeholder="text, state, flag or verdict", id="find", compact=True)
        with Container(id="body"):
            yield OptionList(id="pairs", markup=False)
            with VerticalScroll(id="detail"):
                yield Static(id="card")
        yield Static(id="told")
        yield Static(_keys(self._traits), id="keys")

    @property
    def pairs(self) -> OptionList:
        return self.query_one("#pairs", OptionList)

    @property
    def texts(self) -> VerticalScroll:
        return self.query_one("#detail", VerticalScroll)

    @property
    def find(self) -> Input:
        return self.query_one("#find", Input)

    @property
    def is_searching(self) -> bool:
        """Whether words are being typed that pairs are searched for."""
        return self.screen.focused is self.find

    def begin_search(self) -> None:
        """Show the field in which the words stand that pairs are searched for."""
        self.find.display = True
        self.find.focus()

    @on(Input.Submitted)
    def leave_search(self) -> None:
        """Go back to the list, which stays as it was found."""
        self.find.display = bool(self.find.value)
        self.pairs.focus()

    def end_search(self) -> None:
        """List all pairs again."""
        self.find.value = ""
        self.leave_search()

    def pair_at(self, index: int) -> str:
        """The pair in a row of the list."""
        return self._rows[index][0]

    def show_deck(self, deck: Deck, number: int, is_checking: Callable[[Card], bool]) -> None:
        """The heading and the list, with the reviewer's pair highlighted."""
        cards = deck.listed()
        rows = [(card.pair, self._row(deck.trait, card, is_checking(card))) for card in cards]
        with self.pairs.prevent(OptionList.OptionHighlighted):
            self._update_rows(rows)
            self.pairs.highlighted = next((i for i, card in enumerate(cards) if card.pair == deck.at), None)
        self.query_one("#head", Static).update(_head(deck, number, self._traits, len(rows)))

    def _row(self, trait: str, card: Card, checking: bool) -> Row:
        """A card's row; the same as before where neither the card nor its check has changed."""
        drawn = self._drawn.get((trait, card.pair))
        if drawn is None or drawn[0] is not card or drawn[1] is not checking:
            drawn = self._drawn[trait, card.pair] = (card, checking, row(card, checking))
        return drawn[2]

    def _update_rows(self, rows: list[tuple[str, Row]]) -> None:
        """Only what differs is drawn again, so that a long list answers at once."""
        old, self._rows = self._rows, rows
        if [pair for pair, _ in old] != [pair for pair, _ in rows]:
            self.pairs.set_options([Option(one) for _, one in rows])
            return
        for i, ((_, was), (_, one)) in enumerate(zip(old, rows, strict=True)):
            if was is not one and was != one:
                self.pairs.replace_option_prompt_at_index(i, one)

    def show_pair(self, look: Look, deck: Deck) -> None:
        """One pair with all that is known of it."""
        self.query_one("#card", Static).update(_pair(look, deck))

    def tell(self, sentence: str, style: str = "") -> None:
        """A notice above the keys; it stays until the next."""
        self.query_one("#told", Static).update(plain(sentence, style))


def _pair(look: Look, deck: Deck) -> RenderableType:
    card = look.card
    if card is None:
        return Text("No pair is listed. f lists others; Esc ends a search.", LABEL)
    parts: list[RenderableType] = [*heading(card, look.checking), sides(card, deck.session.proposal, look.three)]
    if look.is_old:
        parts.insert(0, Text("This pair has changed since it was shown: Enter shows it as it is now.", f"bold {DOUBT}"))
    return Group(*parts)


def _head(deck: Deck, number: int, traits: int, listed: int) -> Text:
    text = Text().append("review ", "bold").append(safe_text(deck.trait), "bold #8ecae6")
    if traits > 1:
        text.append(f" ({number + 1} of {traits})", LABEL)
    text.append(f"  {deck.proposed - deck.waiting} of {deck.proposed} decided")
    text.append(f"  {deck.show.value}: {listed}", DOUBT)
    if deck.find:
        text.append(f' with "{safe_text(deck.find)}"', DOUBT)
    return text.append(f"  as {safe_text(deck.session.who)}", LABEL)


def _keys(traits: int) -> Text:
    """The keys that decide, and below them those that look around."""
    text = Text()
    for key in TOLD:
        if key.name and (key.name != "trait" or traits > 1):
            [shown] = key.shown
            text.append(shown, "bold #8ecae6").append(f" {key.name}{chr(10) if shown == LAST_ACT else '  '}")
    return text
