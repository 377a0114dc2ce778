"""Label Studio and Argilla: a proposal as their tasks or records, and their answers as decisions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from agent.errors import UserError
from agent.review.card_builder import edited_pair
from agent.review.cards import Card, CardState
from agent.review.proposal import Proposal
from agent.schema import Act, Decision
from agent.text import is_text

ACTS = (Act.APPROVE, Act.REJECT, Act.DROP)
_BINDING = ("trait", "campaign", "pair", "key", "proposed", "base")
_NOTHING = "(not in the dataset)"
_BY_STATE = {CardState.APPROVED: Act.APPROVE, CardState.REJECTED: Act.REJECT, CardState.DROPPED: Act.DROP}

LABELING_INTERFACE = """<View>
  <Header value="$heading"/>
  <Text name="before" value="$before"/>
  <Text name="after" value="$after"/>
  <Choices name="act" toName="after" choice="single" required="true">
    <Choice value="approve"/><Choice value="reject"/><Choice value="drop"/>
  </Choices>
  <TextArea name="positive" toName="after" value="$positive" maxSubmissions="1" editable="true"/>
  <TextArea name="negative" toName="after" value="$negative" maxSubmissions="1" editable="true"/>
  <TextArea name="note" toName="after" maxSubmissions="1"/>
</View>
"""


class ExchangeError(UserError):
    """A file from another tool that cannot be read; the message says what it should be."""


def label_studio_tasks(proposal: Proposal, cards: Sequence[Card]) -> list[dict[str, Any]]:
    """One task per pair; a decision in force is its prediction. LABELING_INTERFACE is the view that shows them."""
    tasks = []
    for card in cards:
        act = _BY_STATE.get(card.state)
        choice = {"from_name": "act", "to_name": "after", "type": "choices", "value": {"choices": [act]}}
        predictions = [{"model_version": "cliffhanger", "result": [choice]}] if act else []
        data = _binding(proposal, card) | _displayed(card)
        tasks.append({"data": data, "predictions": predictions})
    return tasks


def argilla_records(proposal: Proposal, cards: Sequence[Card]) -> list[dict[str, Any]]:
    """One record per pair, as `Dataset.records.from_json` reads them; a decision in force is a suggestion."""
    records = []
    for card in cards:
        act = _BY_STATE.get(card.state)
        texts = _displayed(card)
        suggestions = {"positive": texts["positive"], "negative": texts["negative"], **({"act": act} if act else {})}
        records.append(
            {
                "id": f"{proposal.trait} {card.pair}",
                "status": "pending",
                "fields": {name: texts[name] for name in ("heading", "before", "after")},
                "metadata": {**_binding(proposal, card), "positive": texts["positive"], "negative": texts["negative"]},
                "suggestions": {name: {"value": value, "agent": "cliffhanger"} for name, value in suggestions.items()},
                "responses": {},
                "vectors": {},
            }
        )
    return records


def _binding(proposal: Proposal, card: Card) -> dict[str, Any]:
    found = {"trait": proposal.trait, "campaign": proposal.campaign, "pair": card.pair, "key": card.key}
    return {**found, "proposed": card.proposed, "base": card.base}


def _displayed(card: Card) -> dict[str, str]:
    warnings = ", ".join(card.warnings)
    reason = f": {card.change.why}" if card.change.why else ""
    return {
        "heading": f"{card.pair}, {card.what}{reason}{f' ({warnings})' if warnings else ''}",
        "before": _both(card.now.positive.text, card.now.negative.text) if card.now else _NOTHING,
        "after": "(the line leaves)" if card.is_removal else _both(card.ours.positive.text, card.ours.negative.text),
        "positive": card.ours.positive.text,
        "negative": card.ours.negative.text,
    }


def _both(positive: str, negative: str) -> str:
    return f"positive: {positive}\n\nnegative: {negative}"


def read_annotations(content: bytes, name: str, cards: Sequence[Card], now: datetime | None = None) -> list[Decision]:
    """Decisions from a JSON export of Label Studio or Argilla. Raises ExchangeError where it is neither."""
    try:
        rows = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{name} is not JSON ({str(error)[:80]}). Export it again as JSON.") from error
    if not is_text(json.dumps(rows, ensure_ascii=False)):
        raise ExchangeError(
            f"{name} contains half of a surrogate pair, which is not a character. Correct it in that tool."
        )
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ExchangeError(f"{name} is not a list of tasks or records. Export it again as JSON.")
    reader = _AnswerReader({card.pair: card for card in cards}, now or datetime.now(UTC))
    return [decision for number, row in enumerate(rows, 1) for decision in reader.decisions(row, f"{name}, {number}")]


AnnotationAnswer = tuple[str, str | None, dict[str, str]]


def _label_studio_answers(row: Mapping[str, Any]) -> Iterator[AnnotationAnswer]:
    for annotation in row.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        answer = {}
        for item in annotation["result"]:
            value = item["value"].get("choices") or item["value"].get("text") or [""]
            answer[item["from_name"]] = value if isinstance(value, str) else value[0]
        by = annotation.get("completed_by")
        who = by.get("email") or by.get("id") if isinstance(by, dict) else by
        yield f"Label Studio {who}", annotation.get("updated_at") or annotation.get("created_at"), answer


def _argilla_answers(row: Mapping[str, Any]) -> Iterator[AnnotationAnswer]:
    by_user: dict[str, dict[str, str]] = {}
    for question, responses in (row.get("responses") or {}).items():
        for response in responses or ():
            by_user.setdefault(str(response.get("user_id")), {})[question] = response["value"]
    for user, answer in by_user.items():
        yield f"Argilla {user}", None, answer


def _utc(when: str | None, now: datetime) -> str:
    moment = datetime.fromisoformat(when) if when else now
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class _AnswerReader:
    """Answers as decisions. `now` is the time of those whose tool exports none."""

    cards: Mapping[str, Card]
    now: datetime

    def decisions(self, row: Mapping[str, Any], place: str) -> Iterator[Decision]:
        """The decisions in one task or record. Raises ExchangeError if it is not from this program."""
        about = row.get("data") if "data" in row else row.get("metadata")
        if not isinstance(about, dict) or not set(_BINDING) <= about.keys():
            raise ExchangeError(
                f"{place} is not from this program: export the proposal with `cliffhanger decisions export`."
            )
        answers = _label_studio_answers(row) if "data" in row else _argilla_answers(row)
        try:
            for who, when, answer in answers:
                by = {"who": who, "when": _utc(when, self.now), "note": answer.get("note") or ""}
                yield from self._decision(about, by, answer)
        except (ValidationError, AttributeError, TypeError, KeyError, ValueError) as error:
            raise ExchangeError(f"{place} has an answer that cannot be read: {type(error).__name__}.") from error

    def _decision(
        self, about: Mapping[str, Any], by: Mapping[str, str], answer: Mapping[str, str]
    ) -> Iterator[Decision]:
        """An edit if a text was changed, else the act. An edit is approved here, after its check."""
        bound = {name: about[name] for name in _BINDING} | dict(by)
        positive, negative = (answer.get(side) or about[side] for side in ("positive", "negative"))
        act = Act(answer["act"]) if answer.get("act") else None
        if act in (Act.APPROVE, None) and (positive, negative) != (about["positive"], about["negative"]):
            card = self.cards.get(about["pair"])
            key = edited_pair(card.change.after, positive, negative).key if card else about["key"]
            yield Decision(**bound | {"act": Act.EDIT, "key": key, "positive": positive, "negative": negative})
        elif act in ACTS:
            yield Decision(**bound | {"act": act, "key": about["base"] if act is Act.DROP else about["key"]})
