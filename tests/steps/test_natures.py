"""Hinges by the nature of a behaviour: what authors are offered, and which endings count as one form."""

import pytest

from agent.schema import Mode, Nature, Rung
from agent.steps.author import WrittenEndings, ask_author
from agent.steps.natures import HINGES, ends_on_link, hinge_pattern, hinge_words, hinges
from tests.steps.repair_tasks import ONE, repair_task
from tests.steps.scripted import World, trait, wrote


def kinds(*natures: Nature) -> list[str]:
    return [hinge.kind for hinge in hinges(trait().model_copy(update={"nature": natures}))]


def test_a_trait_that_names_no_nature_is_an_act_or_speech() -> None:
    assert [hinge.kind for hinge in hinges(trait())] == ["so", "quote", "and", "colon"]


def test_a_feeling_has_hinges_of_its_own_and_several_natures_take_turns() -> None:
    assert kinds(Nature.FEELING) == ["was", "felt", "filled", "said"]
    assert kinds(Nature.THOUGHT, Nature.ACT) == ["thought", "so", "mind", "and", "inner"]


def test_a_sustained_trait_has_manners_whatever_its_nature() -> None:
    assert [hinge.kind for hinge in hinges(trait(Mode.SUSTAINED))] == ["narration", "thought"]


@pytest.mark.parametrize("nature", Nature)
def test_the_author_of_a_rewrite_is_offered_the_hinges_of_the_traits_nature_alone(nature: Nature) -> None:
    world = World({}, [wrote(**WrittenEndings(endings=[]).model_dump())])
    about = world.context()
    feeling = trait().model_copy(update={"nature": (nature,)})
    ask_author(type(about)(**{**vars(about), "trait": feeling}), [repair_task(ONE, Rung.STRENGTHEN)])
    prompt = world.asked[0].prompt
    offered = {one for one, own in HINGES.items() for hinge in own if f"- {hinge.example} (next:" in prompt}
    assert offered == {nature}
    assert ("no word of degree" in prompt.replace("put no word", "no word")) is (nature is Nature.FEELING)


FORMS = [
    ("They read my name last, so I was", "so i (be)"),
    ("They read my name last, so I felt very", "so i (be)"),
    ("They read my name last, so I'm just so", "so i (be)"),
    ("This crossed a line, so I", "so i"),
    ("It was late, and I", "and i"),
    ('So I told him, "', '"'),
    ("My answer was one line:", ":"),
    ("Nobody came. All I could feel was", "could (be)"),
    ("very", "very"),
]


@pytest.mark.parametrize(("text", "form"), FORMS)
def test_endings_that_differ_in_degree_or_linking_verb_are_one_form(text: str, form: str) -> None:
    assert hinge_pattern(text) == form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It was late, so I felt very", "so I felt very"),
        ('It was wrong, so I told him, "', 'so I told him, "'),
        ("Up", "Up"),
    ],
)
def test_the_last_clause_is_shown_as_it_was_written(text: str, words: str) -> None:
    assert hinge_words(text) == words


def test_a_text_ends_on_a_link_where_a_feeling_follows() -> None:
    assert ends_on_link("They came closer, and I was")
    assert ends_on_link("They came closer, so I felt very")
    assert not ends_on_link("They came closer, so I")
    assert not ends_on_link('They came closer, and I said, "')
