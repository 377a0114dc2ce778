"""The flip test puts both arms of all cases to the subject at once, each opener beside its text and never within it."""

from collections.abc import Sequence

from agent.schema import Completion, Depth, Opener, Rules, Sampling, Scenario
from agent.steps.case import Case
from agent.steps.examine import complete
from agent.steps.flip_test import flip_test
from agent.steps.lock_in import with_lock_in
from agent.steps.vet import ask
from tests.steps.scripted import NEGATIVE, Facts, World, scenario

YES, NO = scenario("He wanted my keys, so I"), scenario("She wanted my hand, so I", NEGATIVE)
SHOWN, HIDDEN = (90.0,), (10.0,)
DECIDES = (SHOWN, HIDDEN)


class RecordingWorld(World):
    """Notes every call for continuations with openers."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.calls: list[list[tuple[str, Opener]]] = []

    def complete(
        self, scenarios: Sequence[Scenario], sampling: Sampling, openers: Sequence[Opener] = ()
    ) -> list[tuple[Completion, ...]]:
        if openers:
            self.calls.append([(s.text, opener) for s, opener in zip(scenarios, openers, strict=True)])
        return super().complete(scenarios, sampling, openers)


def test_both_arms_of_all_cases_are_continued_in_one_call_from_their_own_texts() -> None:
    yes = Facts(samples=(90.0, 90.0, 90.0, 10.0) + (90.0,) * 4, flip=DECIDES)
    world = RecordingWorld({YES: yes, NO: Facts(samples=(10.0,) * 4, flip=DECIDES)})
    context = world.context(rules=Rules(flip_samples=5))
    cases = [Case("d0000", YES), Case("d0000", NO)]
    results = ask(context, complete(context, cases, Depth.FIRST))
    flips = flip_test(context, with_lock_in(context, results, [0, 1]), [0, 1])
    (call,) = world.calls
    assert [(text, opener.text, opener.samples) for text, opener in call] == [
        (YES.text, " went on 0", 5),
        (YES.text, " went on 0 in way 3", 3),
        (YES.text, " went on 1", 3),
        (NO.text, " went on 1", 5),
        (NO.text, " went on 0", 5),
    ]
    assert {i: (flip.own, flip.opposite) for i, flip in flips.items()} == {0: ((5, 5), (0, 5)), 1: ((5, 5), (0, 5))}


def test_where_nothing_is_to_be_flipped_no_subject_is_asked() -> None:
    world = RecordingWorld({YES: Facts(samples=(90.0,) * 4), NO: Facts(samples=(10.0,) * 4)})
    context = world.context()
    assert flip_test(context, complete(context, [Case("d0000", YES)], Depth.FIRST), []) == {}
    assert world.calls == []
