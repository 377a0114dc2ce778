"""What the next campaign begins from: the dataset with what humans decided, and with what nobody has decided yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from agent.review.cards import Card, CardState
from agent.review.file_transaction import (
    NAMES,
    ApplyError,
    FileContents,
    dataset_lock,
    journal_of,
    read_files,
    read_journal,
    recover,
    write_files,
)
from agent.schema import Act, Decision, FrozenModel, Outcome, Pair, Polarity
from agent.storage.dataset import Dataset, dataset_files
from agent.storage.dataset_reader import Issue
from agent.storage.durable import failpoint, write_atomically

VERDICTS = (Act.APPROVE, Act.REJECT, Act.DROP)


class StartingSet(FrozenModel):
    """What a campaign begins from. `decisions` stands for all that were in force then; empty where there were none."""

    pairs: tuple[Pair, ...]
    rejected: tuple[str, ...] = ()
    first_draft: int = 0
    decisions: str = ""


def starting_pairs(present: Sequence[Pair], cards: Sequence[Card], known: Mapping[str, Pair]) -> tuple[Pair, ...]:
    """The dataset's pairs in file order with approved texts in place, then the drafts.

    What passed and still lies open goes along, so that nobody who decides slowly loses a night's work; what was
    rejected stands as in the dataset, or is gone. `known` holds pairs by key, whose domain and kind a proposal lacks.
    """
    taken = {card.line: card.ours for card in cards if card.line is not None and _waits(card, "changed")}
    there = {pair.line: pair for pair in approved_pairs(present, cards) if pair.line is not None}
    pairs = [
        taken[pair.line].model_copy(update={"id": pair.id, "line": pair.line}) if line in taken else there[pair.line]
        for line, pair in enumerate(present)
        if pair.line in there
    ]
    drafts = [card for card in cards if card.effect == "append" or _waits(card, "added")]
    return (*(_described(pair, known) for pair in pairs), *(_described(_as_draft(c), known) for c in drafts))


def _waits(card: Card, what: str) -> bool:
    """Whether a passing text of this sort still waits for its decision."""
    passes = card.outcome is Outcome.PASS and not card.conflict
    return card.what == what and card.state in (CardState.OPEN, CardState.EDITED) and passes


def _as_draft(card: Card) -> Pair:
    """A pair that comes to the dataset's; one that somebody removed and a human wants back gets a name of its own."""
    name = card.pair if card.what == "added" or card.change.before is None else f"back-{card.pair}"
    return card.ours.model_copy(update={"id": name, "line": None})


def _described(pair: Pair, known: Mapping[str, Pair]) -> Pair:
    before = known.get(pair.key)
    return pair.model_copy(update={"domain": before.domain, "kind": before.kind}) if before else pair


def rejected_texts(
    decisions: Iterable[Decision], known: Mapping[str, Pair], present: Sequence[Pair]
) -> tuple[str, ...]:
    """Texts that a human refused and has not approved since, in order of decision; none that the dataset holds.

    `decisions` are those in force, `known` pairs by key: a decision names a text by its key alone. Whoever kept the
    dataset's own text has refused none.
    """
    last = {(d.pair, d.key): d for d in decisions if d.act in VERDICTS}
    held = {side.text for pair in present for side in pair.sides}
    rejections = [d for d in last.values() if d.act is Act.REJECT and d.proposed is not None and d.key != d.base]
    refused = [known[d.key] for d in rejections if d.key in known]
    texts = [side.text for pair in refused for side in pair.sides]
    return tuple(dict.fromkeys(text for text in texts if text not in held))


_WAITING = (CardState.OPEN, CardState.STALE, CardState.CONFLICT, CardState.EDITED)
_RECORDS = "applied-*.json"
_LOST = {
    "empty": "empty lines",
    "extra-keys": "lines with keys other than prompt and system_prompt, which are not kept",
    "no-partner": "lines without a partner, which leave",
    "two-formats": "a file that another form overrules, which leaves",
}


class NothingToUndo(ApplyError):
    """Nothing was applied, or all that was is undone."""


@dataclass(frozen=True)
class ApplyPlan:
    """What is to be written for one trait. `before` and `after` are bytes by file name, None for no file.

    `undecided` counts pairs that wait for a decision and stay as they are; `notes` are sentences on what else leaves.
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
        """The files that the dataset consists of afterwards."""
        return " and ".join(name for name in NAMES if self.after[name] is not None)


def plan_changes(folder: Path, dataset: Dataset, cards: Sequence[Card], seed: int | None = None) -> ApplyPlan:
    """What the approvals on these cards make of a dataset; shuffled by `seed` where one is given.

    Without anything to do not a byte changes. Raises ApplyError where the files are no longer those of `dataset`.
    """
    before = read_files(folder)
    _require_same(folder, dataset, before)
    effects = {effect: [card for card in cards if card.effect == effect] for effect in ("replace", "append", "remove")}
    pairs = approved_pairs(dataset.pairs, cards)
    changed = any(effects.values()) or seed is not None
    if seed is not None:
        pairs = list(pairs)
        Random(seed).shuffle(pairs)
    after: FileContents = {name: dataset_files(pairs)[name] for name in NAMES} if changed else before
    return ApplyPlan(
        trait=dataset.trait,
        folder=folder,
        before=before,
        after=after,
        replaced=len(effects["replace"]),
        added=len(effects["append"]),
        removed=len(effects["remove"]),
        undecided=sum(card.state in _WAITING for card in cards),
        size=len(pairs),
        seed=seed,
        notes=_notes(dataset.issues) if changed else (),
    )


def approved_pairs(present: Sequence[Pair], cards: Sequence[Card]) -> list[Pair]:
    """The dataset's pairs with exactly what was approved: what stays keeps its order, what is added comes last."""
    at = {card.line: card for card in cards if card.line is not None and card.effect in ("replace", "remove")}
    pairs = [_approved(at.get(line), pair) for line, pair in enumerate(present)]
    return [pair for pair in pairs if pair is not None] + [card.ours for card in cards if card.effect == "append"]


def _approved(card: Card | None, pair: Pair) -> Pair | None:
    if card is None:
        return pair
    if card.base != pair.key:  # a card is laid against these very pairs, so this is a bug and no user's mistake
        raise ApplyError(f"{card.pair} was decided on another text than that in the dataset. Nothing was written.")
    return None if card.effect == "remove" else card.ours.model_copy(update={"id": pair.id, "line": pair.line})


def _require_same(folder: Path, dataset: Dataset, files: FileContents) -> None:
    for polarity in Polarity:
        text, lines = files[f"{polarity}.txt"], files[f"{polarity}.jsonl"]  # type: ignore[index]
        content = text if lines is None else lines
        read = getattr(dataset.hashes, polarity)
        if (None if content is None else sha256(content).hexdigest()) != read:
            raise ApplyError(
                f"The {polarity} file in {folder} changed while it was read. Nothing was written; try again."
            )


def _notes(issues: Sequence[Issue]) -> tuple[str, ...]:
    found = {code: sum(issue.code == code for issue in issues) for code in _LOST}
    return tuple(f"{count} × {_LOST[code]}" for code, count in found.items() if count)


def write(plan: ApplyPlan, refinement: Path) -> None:
    """Write the files of one trait, all or none, and keep in `refinement` what `undo` needs.

    Raises ApplyError where a file has changed since it was planned, and then nothing was written.
    """
    with dataset_lock(plan.folder):
        recover(plan.folder)
        if read_files(plan.folder) != plan.before:
            raise ApplyError(
                f"The dataset in {plan.folder} changed while this was prepared. Nothing was written; apply again."
            )
        if plan.changes_nothing:
            return
        journal = journal_of(plan.trait, datetime.now(UTC).isoformat(), plan.before, plan.after, plan.seed)
        write_atomically(_next_record(refinement), journal.content)
        failpoint("apply-record")
        write_files(plan.folder, journal)


def complete(folder: Path) -> bool:
    """Complete an apply or undo that was interrupted; whether there was one."""
    with dataset_lock(folder):
        return recover(folder) is not None


def undo(folder: Path, refinement: Path) -> str:
    """Put back the exact bytes from before the last apply; when that was, as ISO 8601.

    Raises NothingToUndo where nothing was applied, and ApplyError where a file has changed since.
    """
    with dataset_lock(folder):
        recover(folder)
        present = read_files(folder)
        for record in _records(refinement):
            journal = read_journal(record)
            if present == journal.after:
                write_files(folder, journal.reversed())
                record.unlink()
                return journal.when
            if present != journal.before:
                raise ApplyError(
                    f"The dataset in {folder} was changed after it had been applied to: nothing was undone. "
                    f"{record} holds its bytes before and after."
                )
            record.unlink()  # it died before it had begun, or was undone already
    raise NothingToUndo("Nothing was applied that could be undone.")


def _records(refinement: Path) -> list[Path]:
    """What was applied, the latest first."""
    return sorted(refinement.glob(_RECORDS), reverse=True)


def _next_record(refinement: Path) -> Path:
    latest = next((path.stem.rpartition("-")[2] for path in _records(refinement)), "0")
    return refinement / f"applied-{int(latest) + 1:06d}.json"
