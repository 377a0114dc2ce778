"""A bank of openers, written once per trait and side: first words with which a scenario can be made to turn."""

from agent.schema import Polarity, Scenario
from agent.steps.author import Reading, author_request, read
from agent.steps.bench import Bench

OF_EACH_SORT = 3
_LONGEST = 60  # characters; a longer one is no opener


class WrittenOpeners(Reading):
    narrated: list[str]
    spoken: list[str]


def bank(bench: Bench, polarity: Polarity) -> WrittenOpeners:
    """Six openers that begin what is contrary to this side; empty where the author's reply cannot be used."""
    prompt = bench.prompts.render(
        "openers",
        trait_id=bench.trait.id,
        definition=bench.trait.definition,
        behaviour=bench.contrary(polarity),
        contrary=bench.behaviour(polarity),
        count=OF_EACH_SORT,
    )
    (reply,) = bench.ask([author_request(prompt, WrittenOpeners, max_tokens=400)])
    written, _ = read(reply, WrittenOpeners)
    return written or WrittenOpeners(narrated=[], spoken=[])


def fitting(written: WrittenOpeners, scenario: Scenario) -> list[str]:
    """The openers that can follow a scenario's last word, with the blank or the mark that joins them to it."""
    text = scenario.text
    if text.endswith(("“", '"')):
        return _usable("", written.spoken)
    return _usable(' "', written.spoken) if text.endswith(":") else _usable(" ", written.narrated)


def _usable(joint: str, openers: list[str]) -> list[str]:
    plain = [" ".join(opener.strip(' "“”.').split()) for opener in openers[:OF_EACH_SORT]]
    return [joint + opener for opener in dict.fromkeys(plain) if 0 < len(opener) <= _LONGEST]
