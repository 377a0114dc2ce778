"""HTML fragments of the review page. Pairs are addressed by their index in the proposal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import jinja2
from markupsafe import Markup

from agent.review import labels
from agent.review.apply import ApplyPlan
from agent.review.background_checks import BackgroundChecks
from agent.review.cards import Card, CardState, CardWarning, after_failing
from agent.review.html import environment, visible_lines
from agent.review.session import BulkKind, ReviewSession, UnknownPair
from agent.review.web import view_models
from agent.review.web.view_models import ALL, NONE, TODO, Filter
from agent.schema import Act, Outcome, Verdict
from agent.text import pluralize


@dataclass(frozen=True)
class TraitView:
    """One session, with pairs by their index in the proposal, whose order is fixed while the page is served."""

    session: ReviewSession

    @property
    def name(self) -> str:
        return self.session.proposal.trait

    @property
    def pending(self) -> int:
        """How many pairs still need a decision."""
        return sum(card.is_pending for card in self.cards())

    def cards(self) -> tuple[Card, ...]:
        """Every pair as it is at this moment."""
        return self.session.cards()

    def card(self, index: int) -> Card:
        """The pair at an index. Raises UnknownPair."""
        cards = self.cards()
        if not 0 <= index < len(cards):
            raise UnknownPair(f"The proposal of {self.name} has no pair number {index + 1}.")
        return cards[index]

    def index(self, pair: str) -> int | None:
        """The index of a pair; None if the proposal has no such pair."""
        return next((index for index, card in enumerate(self.cards()) if card.pair == pair), None)


@dataclass(frozen=True)
class ApplyActions:
    """What `cliffhanger apply` does, by trait. `undo` returns the time it restored, `command` the command to type.

    They raise ApplyError, DatasetError or DecisionError.
    """

    plan: Callable[[str], ApplyPlan]
    write: Callable[[ApplyPlan], None]
    undo: Callable[[str], str]
    command: Callable[[str], str]


def version_token_of(plan: ApplyPlan) -> str:
    """Identifies exactly the bytes that a plan found and those that it would write."""
    parts = (f"{name} {content!r}" for files in (plan.before, plan.after) for name, content in sorted(files.items()))
    return sha256("\n".join(parts).encode()).hexdigest()


HERE = Path(__file__).parent


@dataclass
class Pages:
    """Renders the review of some traits as HTML. Each method reads the current state.

    `trait` is the index of a session, `index` that of a pair in its proposal.
    """

    sessions: Sequence[ReviewSession]
    apply_actions: ApplyActions | None = None
    activity: labels.ActivityFunction = lambda: ""
    checks: BackgroundChecks = field(default_factory=BackgroundChecks)

    def __post_init__(self) -> None:
        self.traits = [TraitView(session) for session in self.sessions]
        self._templates = _environment()

    def page(self, trait: int, query: Mapping[str, str]) -> str:
        """The whole page of one trait, with the first pair of the list open."""
        view, wanted = self.traits[trait], Filter.of(query)
        first = next((index for index, card in enumerate(view.cards()) if wanted.matches(card)), None)
        return self._render(
            "page.html.j2",
            **self._meanings(trait),
            **self._list(trait, wanted),
            **self._progress(trait),
            panel=Markup(self.panel(trait, first)) if first is not None else Markup(self.no_selection(trait)),  # noqa: S704
            traits=[(n, one.name, one.pending) for n, one in enumerate(self.traits)],
            current=trait,
            reviewer=self.sessions[trait].reviewer,
            states=[
                (TODO, "To decide"),
                (ALL, "All"),
                *((str(s), labels.STATES[s].name.capitalize()) for s in CardState),
            ],
            changes=[(kind, label.name) for kind, label in labels.CHANGES.items()],
            verdicts=[*((str(verdict), str(verdict)) for verdict in Verdict), (NONE, "No verdict")],
            flags=[*((str(flag), f"⚑ {flag}") for flag in CardWarning), (NONE, "No flag")],
        )

    def rows(self, trait: int, query: Mapping[str, str]) -> str:
        """The list of pairs."""
        return self._render("rows.html.j2", **self._list(trait, Filter.of(query)))

    def panel(self, trait: int, index: int, error: str = "", typed: tuple[str, str] | None = None) -> str:
        """One pair. With `typed` texts it is shown in the editor, with these texts in the fields."""
        view = self.traits[trait]
        card = view.card(index)
        job = (view.name, card.pair)
        checking = self.checks.running(job)
        unchecked = card.edited and card.is_pending and card.outcome is Outcome.UNJUDGED
        failure = self.checks.error_message(job) if unchecked else ""
        return self._render(
            "panel.html.j2",
            **self._meanings(trait),
            card=card,
            index=index,
            sides=view_models.sides(card, view.session.proposal.mode),
            conflict=view_models.conflict(card) if card.conflict else [],
            checking=checking,
            activity=self.activity(),
            after_failing=after_failing(card),
            can_check=view.session.recheck is not None,
            disabled={act.value: labels.disabled_reason(card, act, checking) for act in Act},
            error=error or failure,
            typed=typed,
        )

    def editor(self, trait: int, index: int) -> str:
        """One pair in the editor."""
        card = self.traits[trait].card(index)
        texts = (card.ours.positive.text, card.ours.negative.text)
        if card.decision and card.decision.positive is not None and card.decision.negative is not None:
            texts = (card.decision.positive, card.decision.negative)  # of the last edit, even if it no longer counts
        return self.panel(trait, index, typed=(visible_lines(texts[0]), visible_lines(texts[1])))

    def no_selection(self, trait: int) -> str:
        """The panel without a pair: what to do next."""
        return self._render("no_selection.html.j2", **self._progress(trait))

    def bulk_dialog(self, trait: int, kind: BulkKind, error: str = "") -> str:
        """The confirmation before many pairs are approved at once."""
        view = self.traits[trait]
        bulk = view.session.bulk_approval(kind)
        indices = {card.pair: index for index, card in enumerate(view.cards())}
        rows = [view_models.row(indices[card.pair], card, False) for card in bulk.cards]
        return self._render("bulk_dialog.html.j2", bulk=bulk, rows=rows, error=error)

    def seen_button(self, trait: int) -> str:
        """The button that approves all seen pairs."""
        return self._render("bulk_button.html.j2", bulk=self.traits[trait].session.bulk_approval(BulkKind.SEEN))

    def apply_dialog(self, trait: int, error: str = "", done: str = "") -> str:
        """The confirmation before approved changes are written to the dataset, or the message `done` after it."""
        name = self.traits[trait].name
        plan = self.apply_actions.plan(name) if self.apply_actions else None
        return self._render(
            "apply_dialog.html.j2",
            plan=plan,
            version_token=version_token_of(plan) if plan else "",
            command=self.apply_actions.command(name) if self.apply_actions else "cliffhanger apply",
            error=error,
            done=done,
        )

    def error(self, message: str, whole: bool = False) -> str:
        """An error message in place of the panel or, if `whole`, of the page."""
        return self._render("error.html.j2", error=message, whole=whole)

    def updates(self, trait: int, message: str, indices: Sequence[int] = (), checking: bool = False) -> str:
        """Fragments outside the panel: the progress, these rows of the list, a message.

        With `checking`, the panel shows a pair that is being checked: what the check is doing is updated too.
        """
        rows, activity = self._rows(trait, indices), self.activity() if checking else None
        return self._render("updates.html.j2", **self._progress(trait), message=message, rows=rows, activity=activity)

    def checked_pairs(self, trait: int) -> list[int]:
        """The indices of all pairs that were checked while this page was served."""
        view = self.traits[trait]
        return [index for pair in self.checks.pairs(view.name) if (index := view.index(pair)) is not None]

    def _progress(self, trait: int) -> dict[str, object]:
        view = self.traits[trait]
        cards = [card for card in view.cards() if card.state is not CardState.UNCHANGED]
        return {
            "proposed": len(cards),
            "decided": sum(not card.is_pending for card in cards),
            "approved": sum(card.effect is not None for card in cards),
            "pending": sum(card.is_pending for card in cards),
            "has_tabs": len(self.traits) > 1,
            "bulks": [view.session.bulk_approval(kind) for kind in BulkKind],
            "polling": self.checks.any_running(view.name),
            "trait": view.name,
        }

    def _meanings(self, trait: int) -> dict[str, object]:
        """What verdicts and scores mean in the trait's mode."""
        mode = self.traits[trait].session.proposal.mode
        return {"verdict_meanings": labels.verdict_meanings(mode), "questions": labels.questions(mode)}

    def _list(self, trait: int, wanted: Filter) -> dict[str, object]:
        cards = self.traits[trait].cards()
        rows = self._rows(trait, [index for index, card in enumerate(cards) if wanted.matches(card)])
        return {"rows": rows, "size": len(cards), "wanted": wanted}

    def _rows(self, trait: int, indices: Sequence[int]) -> list[view_models.ListRow]:
        view = self.traits[trait]
        cards = view.cards()
        running = {pair for pair in self.checks.pairs(view.name) if self.checks.running((view.name, pair))}
        return [view_models.row(index, cards[index], cards[index].pair in running) for index in indices]

    def _render(self, name: str, **context: object) -> str:
        return self._templates.get_template(name).render(**context)


def _environment() -> jinja2.Environment:
    made = environment(HERE / "templates")
    made.globals |= {
        "labels": labels,
        "counted": pluralize,
        "keys": [key for key in labels.KEYS if key.where != "terminal"],
    }
    return made
