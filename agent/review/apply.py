"""Apply approved changes to a dataset, undo them, and the set that the next campaign starts from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from agent.review.cards import PENDING, Card, CardState
from agent.review.file_targets import file_notes, require_writable
from agent.review.file_transaction import (
    ApplyError,
    FileContents,
    dataset_lock,
    journal_of,
    read_files,
    read_journal,
    recover,
    write_files,
)
from agent.review.line_edits import EditedFiles, PlacedPair, edited_files, names_in_use
from agent.review.matching import by_line
from agent.schema import Act, Decision, FrozenModel, Outcome, Pair, Polarity
from agent.storage.dataset import Dataset
from agent.storage.durable import failpoint, write_atomically


class StartingSet(FrozenModel):
    """What a campaign starts from. `decisions` is a hash of the decisions in force then; empty if there were none."""

    pairs: tuple[Pair, ...]
    rejected: tuple[str, ...] = ()
    first_draft: int = 0
    decisions: str = ""


def starting_pairs(present: Sequence[Pair], cards: Sequence[Card], known: Mapping[str, Pair]) -> tuple[Pair, ...]:
    """The dataset's pairs in file order with approved texts in place, then the drafts.

    Passing texts that are still undecided are included, so that a run's work is not lost while the review goes on;
    rejected ones are not. `known` has pairs by key: it supplies domain and kind, which a proposal lacks.
    """
    undecided = {card.line: card.ours for card in cards if card.line is not None and _is_undecided(card, "changed")}
    approved = {pair.line: pair for pair in approved_pairs(present, cards) if pair.line is not None}
    pairs = [
        undecided[line].model_copy(update={"id": pair.id, "line": line}) if line in undecided else approved[line]
        for line, pair in by_line(present).items()
        if line in approved
    ]
    drafts = [card for card in cards if card.effect == "append" or _is_undecided(card, "added")]
    return (*(_described(pair, known) for pair in pairs), *(_described(_as_draft(c), known) for c in drafts))


def _is_undecided(card: Card, what: str) -> bool:
    """Whether this is a passing change of this kind without a decision."""
    passes = card.outcome is Outcome.PASS and not card.conflict
    return card.what == what and card.state in (CardState.OPEN, CardState.EDITED) and passes


def _as_draft(card: Card) -> Pair:
    """A pair that is added; one that was removed from the dataset and approved again gets a new id."""
    name = card.pair if card.what == "added" or card.change.before is None else f"back-{card.pair}"
    return card.ours.model_copy(update={"id": name, "line": None})


def _described(pair: Pair, known: Mapping[str, Pair]) -> Pair:
    before = known.get(pair.key)
    return pair.model_copy(update={"domain": before.domain, "kind": before.kind}) if before else pair


def rejected_texts(
    decisions: Iterable[Decision], known: Mapping[str, Pair], present: Sequence[Pair]
) -> tuple[str, ...]:
    """Texts that were rejected and not approved since, in order of decision; none that the dataset holds.

    `decisions` are those in force, `known` has pairs by key: a decision names a text by its key only. Keeping the
    dataset's own text rejects nothing.
    """
    last = {(d.pair, d.key): d for d in decisions if d.act in VERDICTS}
    held = {side.text for pair in present for side in pair.sides}
    rejections = [d for d in last.values() if d.act is Act.REJECT and d.proposed is not None and d.key != d.base]
    rejected = [known[d.key] for d in rejections if d.key in known]
    texts = [side.text for pair in rejected for side in pair.sides]
    return tuple(dict.fromkeys(text for text in texts if text not in held))


VERDICTS = (Act.APPROVE, Act.REJECT, Act.DROP)
_RECORDS = "applied-*.json"


class NothingToUndo(ApplyError):
    """No apply is left to undo."""


@dataclass(frozen=True)
class ApplyPlan:
    """What to write for one trait. `before` and `after` are bytes by file name, None for no file.

    `undecided` counts pairs without a decision, which stay as they are. `notes` say what else the writing means: lines
    that move, files that are links or have other names.
    """

    trait: str
    folder: Path
    before: FileContents
    after: FileContents
    replaced: int
    added: int
    removed: int
    undecided: int
    size: int
    seed: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        return self.before == self.after

    @property
    def names(self) -> str:
        """The names of the dataset's files afterwards."""
        return " and ".join(names_in_use(self.after))


def plan_changes(folder: Path, dataset: Dataset, cards: Sequence[Card], seed: int | None = None) -> ApplyPlan:
    """The plan that applies the approvals on these cards to a dataset, and shuffles it if there is a `seed`.

    If nothing is approved, not a byte changes. Raises ApplyError if the files are no longer those of `dataset`.
    """
    before = read_files(folder)
    _require_same(folder, dataset, before)
    effects = {effect: [card for card in cards if card.effect == effect] for effect in ("replace", "append", "remove")}
    pairs = _placed_pairs(dataset, cards)
    changed = any(effects.values()) or seed is not None
    if seed is not None:
        Random(seed).shuffle(pairs)
    edited = edited_files(before, pairs, dataset.places) if changed else EditedFiles(before)
    require_writable(folder, before, edited.contents)
    return ApplyPlan(
        trait=dataset.trait,
        folder=folder,
        before=before,
        after=edited.contents,
        replaced=len(effects["replace"]),
        added=len(effects["append"]),
        removed=len(effects["remove"]),
        undecided=sum(card.state in PENDING for card in cards),
        size=len(pairs),
        seed=seed,
        notes=(*edited.notes, *file_notes(folder, before, edited.contents)),
    )


def _placed_pairs(dataset: Dataset, cards: Sequence[Card]) -> list[PlacedPair]:
    """The dataset's pairs after the approvals, each with the lines it stands on now."""
    places = dict(zip(by_line(dataset.pairs), dataset.places, strict=True))
    kept = [PlacedPair(new, places[line], now) for line, now, new in _kept(dataset.pairs, cards)]
    return kept + [PlacedPair(card.ours) for card in cards if card.effect == "append"]


def approved_pairs(present: Sequence[Pair], cards: Sequence[Card]) -> list[Pair]:
    """The dataset's pairs after the approvals: kept pairs in their order, then the added ones."""
    kept = [new for _, _, new in _kept(present, cards)]
    return kept + [card.ours for card in cards if card.effect == "append"]


def _kept(present: Sequence[Pair], cards: Sequence[Card]) -> Iterator[tuple[int, Pair, Pair]]:
    """(line, pair now, pair afterwards) of each pair that stays in the dataset."""
    at = {card.line: card for card in cards if card.line is not None and card.effect in ("replace", "remove")}
    for line, pair in by_line(present).items():
        if (new := _approved(at.get(line), pair)) is not None:
            yield line, pair, new


def _approved(card: Card | None, pair: Pair) -> Pair | None:
    if card is None:
        return pair
    if card.base != pair.key:  # cards are built from these very pairs: this is a bug, not a user's mistake
        raise ApplyError(f"{card.pair} was decided on another text than the dataset's. Nothing was written.")
    return None if card.effect == "remove" else card.ours.model_copy(update={"id": pair.id, "line": pair.line})


def _require_same(folder: Path, dataset: Dataset, files: FileContents) -> None:
    for polarity in Polarity:
        text, lines = files[f"{polarity}.txt"], files[f"{polarity}.jsonl"]  # type: ignore[index]
        content = text if lines is None else lines
        read = getattr(dataset.hashes, polarity)
        if (None if content is None else sha256(content).hexdigest()) != read:
            raise ApplyError(
                f"The {polarity} file in {folder} changed while it was read. Nothing was written; rerun the command."
            )


def write(plan: ApplyPlan, refinement: Path) -> None:
    """Write the files of one trait, all or none; the record that `undo` needs goes to `refinement`.

    Raises ApplyError, with nothing written, if a file has changed since the plan was made.
    """
    with dataset_lock(plan.folder):
        recover(plan.folder)
        if read_files(plan.folder) != plan.before:
            raise ApplyError(f"The dataset in {plan.folder} changed meanwhile. Nothing was written; rerun the command.")
        if plan.changes_nothing:
            return
        require_writable(plan.folder, plan.before, plan.after)
        journal = journal_of(plan.trait, datetime.now(UTC).isoformat(), plan.before, plan.after, plan.seed)
        write_atomically(_next_record(refinement), journal.content)
        failpoint("apply-record")
        write_files(plan.folder, journal)


def complete(folder: Path) -> bool:
    """Complete an interrupted apply or undo; return whether there was one."""
    with dataset_lock(folder):
        return recover(folder) is not None


def undo(folder: Path, refinement: Path) -> str:
    """Restore the exact bytes from before the last apply; return its time (ISO 8601).

    Raises NothingToUndo if nothing was applied, and ApplyError if a file has changed since.
    """
    with dataset_lock(folder):
        recover(folder)
        present = read_files(folder)
        for record in _records(refinement):
            journal = read_journal(record)
            if present == journal.after:
                require_writable(folder, journal.after, journal.before)
                write_files(folder, journal.reversed())
                record.unlink()
                return journal.when
            if present != journal.before:
                raise ApplyError(
                    f"The dataset in {folder} has changed since the last apply: nothing was undone. "
                    f"{record} holds the bytes before and after that apply."
                )
            record.unlink()  # that apply was killed before it began, or was undone already
    raise NothingToUndo("Nothing was applied that could be undone.")


def _records(refinement: Path) -> list[Path]:
    """The records of all applies, the latest first."""
    return sorted(refinement.glob(_RECORDS), reverse=True)


def _next_record(refinement: Path) -> Path:
    latest = next((path.stem.rpartition("-")[2] for path in _records(refinement)), "0")
    return refinement / f"applied-{int(latest) + 1:06d}.json"
