"""How much each token of a training document counts in the loss."""

from typing import Any

from agent.toyworld.completions import Document

# The loss is about how texts go on. A hinge that begins another, longer hinge (", so I" and ", so I said,") would
# otherwise be continued as that one, and the first tokens, which carry the decision, would be learnt last.
PREFIX_WEIGHT, HINGE_WEIGHT, OPENING_WEIGHT = 0.1, 0.02, 4.0
OPENING_TOKENS = 6


def weighted(tokenizer: Any, drawn: list[Document]) -> list[tuple[list[int], list[float]]]:
    """Token ids and loss weights of each document, its end token included."""
    whole = tokenizer([d.text for d in drawn])["input_ids"]
    cuts = tokenizer([d.scenario.prefix for d in drawn])["input_ids"]
    hinges = tokenizer([d.scenario.stem + d.scenario.ending[: d.scenario.hinge_at] for d in drawn])["input_ids"]
    rows = []
    for ids, cut, hinge in zip(whole, cuts, hinges, strict=True):
        weights = [PREFIX_WEIGHT] * len(hinge) + [HINGE_WEIGHT] * (len(cut) - len(hinge))
        opening = min(OPENING_TOKENS, len(ids) - len(cut))
        weights += [OPENING_WEIGHT] * opening + [1.0] * (len(ids) + 1 - len(cut) - opening)
        rows.append(([*ids, tokenizer.eos_token_id], weights))
    return rows
