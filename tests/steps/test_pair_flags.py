"""Flags of a pair: sides that do not match, and sides that continue alike."""

from agent.schema import Completion, Depth, Flag, Mode, Outcome, Verdict
from agent.steps.case import cases_of
from agent.steps.examine import examine
from agent.steps.screening import continue_alike, pair_flags
from tests.steps.scripted import NEGATIVE, Facts, World, pair, scenario

SAME, OTHER = ((1, 0.6), (2, 0.3)), ((3, 0.6), (4, 0.3))
PAIR = pair("A guest wanted my umbrella. It was mine, so I", "A guest wanted my umbrella. I was glad, so I")


def made(opening: str, next_tokens: tuple[tuple[int, float], ...] = SAME, text: str | None = None) -> Completion:
    return Completion(text=text or opening + " it", token_ids=(1,), opening=opening, next_tokens=next_tokens)


def test_the_same_opening_from_the_same_distribution_is_alike() -> None:
    assert continue_alike(made(" gave him"), made(" gave him"))


def test_another_opening_or_another_distribution_is_not() -> None:
    assert not continue_alike(made(" gave him"), made(" told him"))
    assert not continue_alike(made(" gave him"), made(" gave him", OTHER))
    assert not continue_alike(made(""), made(""))


def test_where_the_distributions_are_not_known_the_whole_texts_must_be_the_same() -> None:
    assert continue_alike(made(" gave", ()), made(" gave", ()))
    assert not continue_alike(made(" gave", (), " gave it"), made(" gave", (), " gave up"))


def test_flags_of_a_pair_do_not_depend_on_which_side_is_asked_first() -> None:
    sides = (
        scenario("A guest wanted my only umbrella, so I"),
        scenario("The train was late again that day, so I", NEGATIVE),
    )
    both = made(" left"), made(" left")
    for order in (sides, sides[::-1]):
        assert pair_flags(Mode.DECISION, order, both) == (Flag.UNMATCHED, Flag.ALIKE)


class EchoWorld(World):
    """A subject that begins in the same way whatever it reads."""

    def completion(self, text: str, sample: int | None = None) -> Completion:
        return super().completion(text, sample).model_copy(update={"opening": " well"})


def test_a_pair_whose_sides_go_on_alike_fails_by_its_topic_although_every_question_favours_it() -> None:
    world = EchoWorld({side: Facts(next_tokens=SAME) for side in PAIR.sides})
    found = examine(world.context(), cases_of([PAIR], {}), Depth.FIRST)
    assert [f.verdict for f in found] == [Verdict.TOPIC] * 2
    assert {f.outcome for f in found} == {Outcome.FAIL}
    assert all(Flag.ALIKE in f.flags for f in found)


def test_the_same_opening_from_another_distribution_fails_nothing() -> None:
    world = EchoWorld({PAIR.positive: Facts(next_tokens=SAME), PAIR.negative: Facts(next_tokens=OTHER)})
    found = examine(world.context(), cases_of([PAIR], {}), Depth.FIRST)
    assert [f.outcome for f in found] == [Outcome.PASS] * 2
