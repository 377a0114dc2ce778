"""Label Studio and Argilla: a proposal as their tasks or records. `answers` reads what comes back."""

from collections.abc import Sequence
from typing import Any

from agent.review.cards import Card, CardState
from agent.review.proposal import Proposal
from agent.schema import Act

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
