"""How many tokens what comes late takes: found by halving, and asked of nothing else."""

from agent.schema import Completion, Reply, Request, Score
from agent.steps.examine import tokens_until_expressed
from tests.steps.scripted import block, context, scenario

WORDS = ["I", "sat", "down", "and", "looked", "at", "him", "for", "a", "while", "and", "then", "told", "him", "no"]
TEXT = "".join(f" {word}" for word in WORDS)
ENDS = tuple(len("".join(f" {word}" for word in WORDS[: n + 1])) for n in range(len(WORDS)))
MADE = Completion(text=TEXT, token_ids=tuple(range(len(WORDS))), opening=TEXT[: ENDS[4]], ends=ENDS)
SCENARIO = scenario("He wanted my keys, so")


def judge(asked: list[str]) -> object:
    def ask(requests: list[Request]) -> list[Reply]:
        asked.extend(block(request, "text") for request in requests)
        return [Reply(score=Score(value=90.0 if "told" in block(r, "text") else 10.0, mass=1.0)) for r in requests]

    return context(ask)


def test_the_reach_is_the_first_token_with_which_the_behaviour_is_displayed() -> None:
    asked: list[str] = []
    assert tokens_until_expressed(judge(asked), [(SCENARIO, MADE)]) == [WORDS.index("told") + 1]
    assert len(asked) <= 4


def test_a_display_that_is_never_seen_takes_all_tokens() -> None:
    plain = MADE.model_copy(update={"text": TEXT.replace("told", "gave")})
    assert tokens_until_expressed(judge([]), [(SCENARIO, plain)]) == [len(WORDS)]


def test_a_completion_whose_token_ends_are_not_known_has_no_reach() -> None:
    assert tokens_until_expressed(context(), [(SCENARIO, MADE.model_copy(update={"ends": ()}))]) == [None]
