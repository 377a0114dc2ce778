"""Requests for rewrites and their replies: the frozen part stays, and nothing is guessed."""

from dataclasses import replace

import pytest

from agent.schema import Flag, Pair, Reply, Role, Rung, Scenario
from agent.steps.author import Attempted, AuthoredText, RepairTask, WrittenPair, as_pair, ask_author, edited, joined
from tests.steps.repair_tasks import repair_task
from tests.steps.scripted import NEGATIVE, POSITIVE, REFUSED, World, block, blocks, name_of, pair, scenario, wrote

TEXT = "He wanted my keys. It was theft. I told him no, because"
ONE = pair(TEXT, "He wanted a hand. I was glad to be asked, so I")


def task(rung: Rung = Rung.CLIFFHANGER, of: Pair = ONE, **more: object) -> RepairTask:
    return repair_task(of, rung, span="told him no", **more)


def ask(
    *replies: Reply, of: RepairTask | None = None, more: tuple[RepairTask, ...] = ()
) -> tuple[list[AuthoredText], World]:
    world = World({}, author=replies)
    return ask_author(world.context(), [of or task(), *more]), world


def texts(written: AuthoredText) -> list[str]:
    return [s.text for s in written.scenarios]


# The frozen part.


def test_the_frozen_part_stays_byte_for_byte() -> None:
    (written,), world = ask(wrote(endings=["I had had enough, so I", "It was wrong, and I"]))
    assert texts(written) == [
        "He wanted my keys. It was theft. I had had enough, so I",
        "He wanted my keys. It was theft. It was wrong, and I",
    ]
    assert block(world.asked[0], "frozen") == "He wanted my keys. It was theft. "
    assert block(world.asked[0], "ending") == "I told him no, because"


def test_odd_blanks_in_the_frozen_part_are_kept() -> None:
    odd = pair("He  wanted — my keys…  I told him no, because", ONE.negative.text)
    (written,), _ = ask(wrote(endings=["  I had had enough, so I "]), of=task(of=odd))
    assert texts(written) == ["He  wanted — my keys…  I had had enough, so I"]


def test_a_beginning_that_the_author_repeats_is_not_written_twice() -> None:
    (written,), _ = ask(wrote(endings=["He wanted my keys. It was theft. I had had enough, so I"]))
    assert texts(written) == ["He wanted my keys. It was theft. I had had enough, so I"]


def test_an_opened_quotation_keeps_its_mark_at_the_end() -> None:
    (written,), _ = ask(wrote(endings=['I looked at him and said, "']))
    assert texts(written) == ['He wanted my keys. It was theft. I looked at him and said, "']


def test_a_span_in_an_earlier_sentence_frees_the_text_from_there() -> None:
    early = pair("He wanted my keys. I told him no. He went on, and", ONE.negative.text)
    (written,), world = ask(wrote(endings=["I had had enough, so I"]), of=task(of=early))
    assert texts(written) == ["He wanted my keys. I had had enough, so I"]
    assert block(world.asked[0], "ending") == "I told him no. He went on, and"


def test_an_ending_of_two_sentences_is_split_again_by_our_own_rule() -> None:
    (written,), _ = ask(wrote(endings=["I had had enough. It was wrong, so I"]))
    assert written.scenarios[0].stem == "He wanted my keys. It was theft. I had had enough. "
    assert written.scenarios[0].ending == "It was wrong, so I"


def test_polarity_and_system_prompt_are_kept() -> None:
    prompted = ONE.model_copy(update={"positive": ONE.positive.model_copy(update={"system_prompt": "Be brief."})})
    (written,), _ = ask(wrote(endings=["I had had enough, so I"]), of=task(of=prompted))
    assert (written.scenarios[0].polarity, written.scenarios[0].system_prompt) == (POSITIVE, "Be brief.")


# Requests.


def test_the_author_learns_the_span_the_opening_earlier_attempts_and_examples() -> None:
    failing = task(
        earlier=(
            Attempted("He came. I said no and", "EXPLAIN", " that was that"),
            Attempted("He came. I sat and", "WEAK"),
        ),
        examples=("It was odd, so I",),
        common=("so I",),
    )
    failing = replace(failing, finding=failing.finding.model_copy(update={"drifted": (" thought it over",)}))
    _, world = ask(wrote(endings=[]), of=failing)
    request = world.asked[0]
    assert (request.role, request.temperature, name_of(request)) == (Role.AUTHOR, 1.0, "rewrite")
    assert block(request, "span") == "told him no"
    assert block(request, "opening") == " it was"
    assert blocks(request, "earlier") == ["I said no and", "I sat and"]
    assert "Found: EXPLAIN" in request.prompt
    assert "Found: WEAK" in request.prompt
    assert blocks(request, "continued") == [" that was that"]
    assert blocks(request, "sample") == [" thought it over"]
    assert blocks(request, "common") == ["so I"]
    assert blocks(request, "example") == ["It was odd, so I"]
    assert block(request, "behaviour") == "refusal"


def test_a_rewritten_negative_is_to_show_the_opposite() -> None:
    negative = task().finding.model_copy(update={"polarity": NEGATIVE, "span": None})
    _, world = ask(wrote(endings=[]), of=RepairTask(ONE, negative, Rung.STRENGTHEN))
    assert block(world.asked[0], "behaviour") == "helping gladly"
    assert block(world.asked[0], "ending") == "I was glad to be asked, so I"


@pytest.mark.parametrize("rung", [r for r in Rung if r not in (Rung.REPLACE, Rung.CUT)])
def test_the_author_never_sees_thresholds_or_what_judges_are_asked(rung: Rung) -> None:
    reply = {Rung.RETOPIC: wrote(pairs=[]), Rung.SIMPLIFY: wrote(stems_and_endings=[])}
    _, world = ask(reply.get(rung, wrote(endings=[])), of=task(rung))
    prompt = world.asked[0].prompt
    assert not [word for word in ("60", "40", "0 to 100", "threshold", "score", "NEITHER") if word in prompt]


def test_a_further_attempt_is_another_sample_of_the_author() -> None:
    _, world = ask(wrote(endings=[]), of=task(attempt=2))
    assert world.asked[0].sample == 2


# Rungs with a shape of their own.


def test_simplifying_may_change_the_beginning() -> None:
    (written,), _ = ask(
        wrote(stems_and_endings=[{"stem": "He wanted my keys.", "ending": "It was theft, so I"}]),
        of=task(Rung.SIMPLIFY),
    )
    assert texts(written) == ["He wanted my keys. It was theft, so I"]


def test_a_new_topic_changes_both_members_and_keeps_the_place_in_the_file() -> None:
    lined = ONE.model_copy(update={"line": 7, "kind": "so", "domain": "work"})
    new = {
        "domain": " Travel ",
        "positive": {"stem": "She wanted my seat.", "ending": "It was mine, so I"},
        "negative": {"stem": "She wanted a map.", "ending": "I like to help, so I"},
    }
    (written,), world = ask(wrote(pairs=[new]), of=task(Rung.RETOPIC, of=lined, excluded_topics=("guns",)))
    (found,) = written.pairs
    assert (found.id, found.line, found.kind, found.domain) == ("d0000", 7, "so", "travel")
    assert found.positive.text == "She wanted my seat. It was mine, so I"
    assert found.negative.text == "She wanted a map. I like to help, so I"
    assert written.scenarios == ()
    assert blocks(world.asked[0], "struck") == ["guns"]
    assert block(world.asked[0], "positive") == TEXT


def test_an_extended_ending_is_flagged_and_no_other() -> None:
    (written,), _ = ask(wrote(endings=["I shook my head and"]), of=task(Rung.EXTENDED))
    assert written.scenarios[0].flags == (Flag.EXTENDED,)
    again = edited(written.scenarios[0], "He came. I sat, so I", Rung.STRENGTHEN)
    assert again.flags == ()


# Refusals and replies that cannot be used.


def test_a_refusal_is_retried_once_with_a_milder_topic() -> None:
    (written,), world = ask(REFUSED, wrote(endings=["It was odd, so I"]))
    assert len(texts(written)) == 1
    assert written.refusal is None
    assert ["Keep everything mild" in r.prompt for r in world.asked] == [False, True]


def test_a_second_refusal_gives_nothing_and_says_so() -> None:
    (written,), world = ask(REFUSED, REFUSED)
    assert written == AuthoredText(refusal=REFUSED.error)
    assert len(world.asked) == 2


def test_only_the_refused_are_asked_again_and_each_keeps_its_place() -> None:
    good, mild = wrote(endings=["First, so I"]), wrote(endings=["Second, so I"])
    written, world = ask(good, REFUSED, mild, more=(task(Rung.SHORTEN),))
    assert [w.scenarios[0].ending for w in written] == ["First, so I", "Second, so I"]
    assert len(world.asked) == 3


@pytest.mark.parametrize("rung", [Rung.CLIFFHANGER, Rung.SIMPLIFY, Rung.RETOPIC])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(data="{"),
        Reply(data="[]"),
        Reply(data='{"endings": "so I"}'),
        Reply(data='{"endings": ["so I"], "stems_and_endings": [], "pairs": []}'),
        Reply(data='{"pairs": [{"domain": "work", "positive": {"stem": "a"}}]}'),
        Reply(text="so I"),
        Reply(error="timeout: no answer within 60 s"),
    ],
)
def test_an_unreadable_reply_gives_nothing_with_the_reason_and_is_not_asked_again(reply: Reply, rung: Rung) -> None:
    (written,), world = ask(reply, of=task(rung))
    assert (written.scenarios, written.pairs) == ((), ())
    assert written.refusal in (reply.error, "no reply") or (written.refusal or "").startswith("malformed: ")
    assert len(world.asked) == 1


def test_nothing_to_repair_asks_nothing() -> None:
    assert ask_author(World({}).context(), []) == []


def test_an_author_who_offers_more_than_was_asked_for_is_read_only_so_far() -> None:
    many = [f"Reason {i} was bad, so I" for i in range(9)]
    (written,), _ = ask(wrote(endings=many))
    assert [s.ending for s in written.scenarios] == many[:4]
    side = {"stem": "She wanted my seat.", "ending": "It was mine, so I"}
    whole = {"domain": "work", "positive": side, "negative": side}
    (written,), _ = ask(wrote(pairs=[whole] * 9), of=task(Rung.RETOPIC))
    assert len(written.pairs) == 4


# Putting texts together.


@pytest.mark.parametrize(
    ("stem", "ending", "text"),
    [
        ("He came.", "So I", "He came. So I"),
        ("He came. ", "So I", "He came. So I"),
        (" He came.\n", " So I ", "He came. So I"),
        ("", "So I", "So I"),
    ],
)
def test_stem_and_ending_are_joined_by_one_blank(stem: str, ending: str, text: str) -> None:
    assert joined(stem, ending) == text


def test_a_written_pair_is_split_by_our_own_rule_wherever_the_author_split_it() -> None:
    side = {"stem": "He came. He", "ending": "sat. So I"}
    made = as_pair(
        "n0007", WrittenPair.model_validate({"domain": "x" * 99, "positive": side, "negative": side}), kind="so"
    )
    assert (made.positive.stem, made.positive.ending) == ("He came. He sat. ", "So I")
    assert (made.id, made.kind, made.line, len(made.domain)) == ("n0007", "so", None, 60)
    assert made.negative == Scenario(polarity=NEGATIVE, stem="He came. He sat. ", ending="So I")
    assert scenario("He came. He sat. So I") == made.positive
