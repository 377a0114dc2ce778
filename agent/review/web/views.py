"""What lies on a session, as a page asks for it: by place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import jinja2
from markupsafe import Markup

from agent.review import labels
from agent.review.apply import ApplyPlan
from agent.review.background_checks import BackgroundChecks
from agent.review.bulk_approval import BulkKind
from agent.review.cards import Card, CardState, CardWarning, after_failing
from agent.review.labels import KEYS
from agent.review.session import ReviewSession, UnknownPair
from agent.review.web import view_models
from agent.review.web.view_models import ALL, NONE, TODO, Filter, shown
from agent.schema import Act, Verdict
from agent.text import pluralize, with_period


@dataclass(frozen=True)
class TraitView:
    """One session. A pair's place is its number in the proposal's order, which holds while the page is served."""

    session: ReviewSession

    @property
    def trait(self) -> str:
        return self.session.proposal.trait

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it stands at this moment."""
        return self.session.cards()

    def card(self, place: int) -> Card:
        """The one at a place. Raises UnknownPair."""
        cards = self.cards()
        if not 0 <= place < len(cards):
            raise UnknownPair(f"The proposal of {self.trait} has no pair number {place + 1}.")
        return cards[place]

    def place(self, pair: str) -> int | None:
        """Where a pair lies."""
        return next((place for place, card in enumerate(self.cards()) if card.pair == pair), None)


@dataclass(frozen=True)
class ApplyActions:
    """What `cliffhanger apply` does, by trait. `undo` gives the moment it went back to, `command` the same by hand.

    They raise ApplyError, DatasetError or DecisionError.
    """

    plan: Callable[[str], ApplyPlan]
    write: Callable[[ApplyPlan], None]
    undo: Callable[[str], str]
    command: Callable[[str], str]


def version_token_of(plan: ApplyPlan) -> str:
    """Stands for exactly the bytes that a plan finds and those that it would write."""
    parts = (f"{name} {content!r}" for files in (plan.before, plan.after) for name, content in sorted(files.items()))
    return sha256("\n".join(parts).encode()).hexdigest()


HERE = Path(__file__).parent


@dataclass
class Pages:
    """The review of some traits as HTML. Each method reads anew what it shows."""

    sessions: Sequence[ReviewSession]
    writer: ApplyActions | None = None
    doing: labels.ActivityFunction = lambda: ""
    checks: BackgroundChecks = field(default_factory=BackgroundChecks)

    def __post_init__(self) -> None:
        self.tables = [TraitView(session) for session in self.sessions]
        self._templates = _environment()

    def whole(self, number: int, query: Mapping[str, str]) -> str:
        """The page of one trait, with the first pair to decide opened."""
        table, wanted = self.tables[number], Filter.of(query)
        first = next((place for place, card in enumerate(table.cards()) if wanted.holds(card)), None)
        return self._render(
            "page.html.j2",
            **self._meanings(number),
            **self._list(number, wanted),
            **self._around(number),
            panel=Markup(self.panel(number, first)) if first is not None else Markup(self.empty(number)),  # noqa: S704
            traits=[(n, one.trait, self._waiting(one)) for n, one in enumerate(self.tables)],
            current=number,
            who=self.sessions[number].reviewer,
            states=[
                (TODO, "To decide"),
                (ALL, "All"),
                *((str(s), labels.STATES[s].name.capitalize()) for s in CardState),
            ],
            whats=[(kind, label.name) for kind, label in labels.CHANGES.items()],
            verdicts=[*((str(verdict), str(verdict)) for verdict in Verdict), (NONE, "No verdict")],
            flags=[*((str(flag), f"⚑ {flag}") for flag in CardWarning), (NONE, "No flag")],
        )

    def rows(self, number: int, query: Mapping[str, str]) -> str:
        """The list alone."""
        return self._render("rows.html.j2", **self._list(number, Filter.of(query)))

    def panel(self, number: int, place: int, trouble: str = "", typed: tuple[str, str] | None = None) -> str:
        """One pair. `typed` puts its texts, so far as they were edited, into fields to go on with."""
        table = self.tables[number]
        card = table.card(place)
        job = (table.trait, card.pair)
        checking = self.checks.running(job)
        error = self.checks.error_message(job) if card.edited and card.is_pending and card.outcome == "unjudged" else ""
        return self._render(
            "panel.html.j2",
            **self._meanings(number),
            card=card,
            place=place,
            sides=view_models.sides(card, table.session.proposal.mode),
            conflict=view_models.conflict(card) if card.conflict else [],
            checking=checking,
            doing=self.doing(),
            after_failing=after_failing(card),
            can_check=table.session.recheck is not None,
            disabled={act.value: labels.disabled_reason(card, act, checking) for act in Act},
            trouble=trouble or error,
            typed=typed,
        )

    def editor(self, number: int, place: int) -> str:
        """One pair with its texts in fields."""
        card = self.tables[number].card(place)
        texts = (card.ours.positive.text, card.ours.negative.text)
        if card.decision and card.decision.positive is not None and card.decision.negative is not None:
            texts = (card.decision.positive, card.decision.negative)  # also those of an edit that counts no longer
        return self.panel(number, place, typed=(shown(texts[0]), shown(texts[1])))

    def empty(self, number: int) -> str:
        """What stands where a pair would: what happens next."""
        return self._render("empty.html.j2", **self._around(number))

    def many(self, number: int, many: BulkKind, trouble: str = "") -> str:
        """The step before many pairs are approved at once."""
        table = self.tables[number]
        batch = table.session.bulk_approval(many)
        places = {card.pair: place for place, card in enumerate(table.cards())}
        rows = [view_models.row(places[card.pair], card, False) for card in batch.cards]
        return self._render("many.html.j2", batch=batch, rows=rows, trouble=trouble)

    def seen(self, number: int) -> str:
        """The button that approves all pairs that were seen."""
        return self._render("button.html.j2", batch=self.tables[number].session.bulk_approval(BulkKind.SEEN))

    def applying(self, number: int, trouble: str = "", done: str = "") -> str:
        """The step before approved changes are written into the dataset."""
        trait = self.tables[number].trait
        plan = self.writer.plan(trait) if self.writer else None
        return self._render(
            "apply.html.j2",
            plan=plan,
            version_token=version_token_of(plan) if plan else "",
            command=self.writer.command(trait) if self.writer else "cliffhanger apply",
            trouble=trouble,
            done=done,
        )

    def trouble(self, why: str, whole: bool = False) -> str:
        """What stands in the panel, or as a page, where nothing could be shown or done."""
        return self._render("trouble.html.j2", trouble=why, whole=whole)

    def around(self, number: int, said: str, places: Sequence[int] = (), checking: bool = False) -> str:
        """What changes beside the panel: the progress, some lines of the list, what is said to the reader.

        `checking`: the panel shows a pair that is being checked, and is told what goes on.
        """
        rows, doing = self._rows(number, places), self.doing() if checking else None
        return self._render("around.html.j2", **self._around(number), said=said, rows=rows, doing=doing)

    def checked(self, number: int) -> list[int]:
        """The places of all pairs that were checked while this page was served."""
        table = self.tables[number]
        return [place for pair in self.checks.pairs(table.trait) if (place := table.place(pair)) is not None]

    def _around(self, number: int) -> dict[str, object]:
        table = self.tables[number]
        cards = [card for card in table.cards() if card.state is not CardState.UNCHANGED]
        return {
            "proposed": len(cards),
            "decided": sum(not card.is_pending for card in cards),
            "approved": sum(card.effect is not None for card in cards),
            "waiting": sum(card.is_pending for card in cards),
            "has_tabs": len(self.tables) > 1,
            "batches": [table.session.bulk_approval(many) for many in BulkKind],
            "polling": self.checks.any_running(table.trait),
            "trait": table.trait,
        }

    def _meanings(self, number: int) -> dict[str, object]:
        """What verdicts and scores mean in the trait's mode."""
        mode = self.tables[number].session.proposal.mode
        return {"verdict_meanings": labels.verdict_meanings(mode), "questions": labels.questions(mode)}

    def _list(self, number: int, wanted: Filter) -> dict[str, object]:
        cards = self.tables[number].cards()
        rows = self._rows(number, [place for place, card in enumerate(cards) if wanted.holds(card)])
        return {"rows": rows, "size": len(cards), "wanted": wanted}

    def _rows(self, number: int, places: Sequence[int]) -> list[view_models.ListRow]:
        table = self.tables[number]
        cards = table.cards()
        running = {pair for pair in self.checks.pairs(table.trait) if self.checks.running((table.trait, pair))}
        return [view_models.row(place, cards[place], cards[place].pair in running) for place in places]

    def _waiting(self, table: TraitView) -> int:
        return sum(card.is_pending for card in table.cards())

    def _render(self, name: str, **about: object) -> str:
        return self._templates.get_template(name).render(**about)


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "labels": labels,
        "counted": pluralize,
        "keys": [key for key in KEYS if key.where != "terminal"],
    }
    made.filters |= {"ended": with_period, "score": lambda value: "–" if value is None else f"{value:.0f}"}
    return made


def _harmless(value: object) -> object:
    """Whatever is put into the page, made visible; our own mark-up is left alone. Escaping comes after."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return shown(value)
