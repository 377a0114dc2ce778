"""Drafting new pairs: quotas of kinds and domains, refused duplicates, waves, and what is said of each refusal."""

import pytest

from agent.schema import Mode, Pair, Reply, Rules
from agent.steps.draft import DOMAINS, PER_REQUEST, WAVES, Drafted, DraftRequest, draft
from agent.steps.natures import hinges
from tests.steps.scripted import REFUSED, OutOfScriptError, World, block, blocks, name_of, pair, scenario, trait, wrote

SCENES = (
    "A clown sang at noon beside the frozen well",
    "My aunt lost both her shoes on the ferry",
    "Rain fell on the harbour all through the strike",
    "The twins had sold their father's best tractor",
    "Nobody at the bakery would look me in the eye",
    "Four letters came back unopened from the bank",
    "Our goalkeeper had broken his thumb in training",
    "The choir moved rehearsal into my garage again",
    "Grandfather kept a loaded trap under the stairs",
    "An intern had copied the ledger onto her phone",
    "Smoke drifted over from the neighbour's orchard",
    "The vet asked for payment before the operation",
)


def written_pair(i: int, domain: str = "") -> dict:
    """One pair as an author writes it, unlike every other."""
    scene = SCENES[i % len(SCENES)]
    return {
        "domain": domain or f"domain {i}",
        "positive": {"stem": f"{scene}.", "ending": f"Reason number {i} of {i * 7} was bad, so I"},
        "negative": {"stem": f"{scene}, happily.", "ending": f"Joy number {i} of {i * 7} was plain, so I"},
    }


def batch(*numbers: int, domain: str = "") -> Reply:
    return wrote(pairs=[written_pair(i, domain) for i in numbers])


def request(count: int, pairs: tuple[Pair, ...] = (), **more: object) -> DraftRequest:
    return DraftRequest(**{"count": count, "goal": 48, "pairs": pairs, "first_id": 0, "round": 1} | more)


EMPTY = wrote(pairs=[])


def drafted(of: DraftRequest, *replies: Reply, **context: object) -> tuple[Drafted, World]:
    """A draft; after the given replies the author has nothing more to offer."""
    answering = World({}, [*replies, *[EMPTY] * 20])
    return draft(answering.context(**context), of), answering


def texts(done: Drafted) -> list[str]:
    return [change.after.positive.text for change in done.changes]


# What is added.


def test_what_the_author_wrote_is_added_as_drafted_pairs() -> None:
    done, _ = drafted(request(2), batch(0, 1))
    assert [(c.pair, c.what, c.before, c.after.id) for c in done.changes] == [
        ("n0000", "draft", None, "n0000"),
        ("n0001", "draft", None, "n0001"),
    ]
    assert done.changes[0].after.positive == scenario(
        "A clown sang at noon beside the frozen well. Reason number 0 of 0 was bad, so I"
    )
    assert (done.changes[1].after.domain, done.changes[1].after.line) == ("domain 1", None)
    assert done.notes == ()


def test_ids_number_on_and_leave_no_gap_for_what_was_refused() -> None:
    done, _ = drafted(request(2, first_id=17), batch(0, 0, 1))
    assert [c.pair for c in done.changes] == ["n0017", "n0018"]


def test_no_more_pairs_are_added_than_were_requested() -> None:
    done, _ = drafted(request(2), batch(0, 1, 2, 3))
    assert len(done.changes) == 2
    assert [note.rpartition(": ")[2] for note in done.notes] == ["enough already"] * 2


def test_a_request_for_nothing_asks_nothing() -> None:
    done, answering = drafted(request(0))
    assert done == Drafted((), ())
    assert answering.asked == []


# Waves.


def test_a_request_is_split_into_requests_of_a_few_pairs() -> None:
    _, answering = drafted(request(6), batch(0, 1, 2, 3), batch(4, 5))
    assert [name_of(r) for r in answering.asked] == ["draft", "draft"]
    assert ["Number of pairs: 4" in r.prompt for r in answering.asked] == [True, False]
    assert "Number of pairs: 2" in answering.asked[1].prompt


def test_what_was_refused_is_asked_for_again_in_the_next_wave() -> None:
    done, answering = drafted(request(3), batch(0, 0, 1), batch(2))
    assert len(done.changes) == 3
    assert len(answering.asked) == 2
    assert "Number of pairs: 1" in answering.asked[1].prompt


def test_after_three_waves_a_draft_ends_with_what_there_is() -> None:
    done, answering = drafted(request(2), batch(0), batch(0), batch(0), batch(1))
    assert len(done.changes) == 1
    assert len(answering.asked) == 3


def test_every_request_of_every_wave_and_round_is_another_sample() -> None:
    samples = [
        (r.sample, r.prompt) for number in (1, 2) for r in drafted(request(10, round=number))[1].asked
    ]  # fmt: skip
    assert len(samples) == 2 * WAVES * 3
    assert len({sample for sample, _ in samples}) == len(samples)


def test_an_author_with_nothing_left_is_not_met_with_silence() -> None:
    with pytest.raises(OutOfScriptError):
        draft(World({}, [batch(0)]).context(), request(2))


# What is refused, and what is said of it.


def test_a_near_duplicate_of_an_existing_pair_is_refused_with_both_texts() -> None:
    existing = drafted(request(1), batch(0))[0].changes[0].after
    done, _ = drafted(request(1, pairs=(existing,)), batch(0), batch(1))
    assert len(done.changes) == 1
    assert done.notes[0].startswith(
        f"refused {existing.positive.text!r}: nearly the same as {existing.positive.text!r}"
    )


def test_a_near_duplicate_within_one_reply_is_refused() -> None:
    done, _ = drafted(request(2), batch(0, 0))
    assert len(done.changes) == 1
    assert "nearly the same" in done.notes[0]


def test_a_duplicate_negative_is_refused_as_a_duplicate_positive_is() -> None:
    twin = written_pair(1) | {"negative": written_pair(0)["negative"]}
    done, _ = drafted(request(2), wrote(pairs=[written_pair(0), twin]))
    assert len(done.changes) == 1
    assert "nearly the same" in done.notes[0]


UNFIT = [
    ({"positive": {"stem": "A clown sang.", "ending": "So I left."}}, "ends on a finished sentence"),
    ({"negative": {"stem": "A clown sang.", "ending": "So I left."}}, "ends on a finished sentence"),
    ({"positive": {"stem": "", "ending": "So I"}}, "characters long"),
    ({"positive": {"stem": "A clown\nsang.", "ending": "That was odd, so I"}}, "control character"),
    ({"negative": written_pair(0)["positive"]}, "both sides are the same"),
    ({"negative": {"stem": "My aunt came. ", "ending": "She praised me, so I"}}, "differ too much in length"),
]


@pytest.mark.parametrize(("change", "why"), UNFIT)
def test_a_pair_with_one_unfit_side_is_refused_whole(change: dict, why: str) -> None:
    done, _ = drafted(request(1), wrote(pairs=[written_pair(0) | change]))
    assert done.changes == ()
    assert why in done.notes[0]


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        (REFUSED, f"author: {REFUSED.error}"),
        (Reply(error="timeout: no answer within 60 s"), "author: timeout: no answer within 60 s"),
        (Reply(data='{"pairs": [{"domain": "work"}]}'), "author: malformed: 2 fields of the author's JSON do not fit"),
    ],
)
def test_a_reply_that_cannot_be_used_adds_nothing_and_is_reported(reply: Reply, note: str) -> None:
    done, _ = drafted(request(1), reply)
    assert (done.changes, done.notes) == ((), (note,))


def test_a_useless_reply_does_not_spoil_the_others_of_its_wave() -> None:
    done, _ = drafted(request(6), REFUSED, batch(4, 5))
    assert len(done.changes) == 2


# Diversity.


def lookalike(i: int) -> dict:
    return written_pair(i) | {"positive": {"stem": f"{SCENES[i]}.", "ending": "This really crossed a line, so I"}}


def test_an_ending_may_be_used_by_no_more_than_its_share() -> None:
    done, _ = drafted(request(6, goal=20), wrote(pairs=[lookalike(i) for i in range(4)]), wrote(pairs=[lookalike(4)]))
    assert len(done.changes) == 4
    assert "4 scenarios already end in" in done.notes[0]


def test_a_domain_may_be_used_by_no_more_than_its_share() -> None:
    rules = Rules(max_domain_share=0.25)
    done, _ = drafted(request(4, goal=12), batch(0, 1, 2, 3, domain="Work "), rules=rules)
    assert [c.after.domain for c in done.changes] == ["work"] * 3
    assert "domain 'work' is full" in done.notes[0]


def test_the_author_is_not_sent_to_domains_that_are_full() -> None:
    full = tuple(pair(f"{SCENES[i]}, so I", f"{SCENES[i]} gladly, so I", f"d{i}", domain="work") for i in range(3))
    for number in range(len(DOMAINS)):
        _, answering = drafted(request(1, full, goal=12, round=number))
        assert "work" not in block(answering.asked[0], "domain").split(", ")


def test_requests_of_one_wave_are_sent_to_different_domains_and_kinds() -> None:
    _, answering = drafted(request(3 * PER_REQUEST))
    wave = answering.asked[:3]
    shares = [set(block(r, "domain").split(", ")) for r in wave]
    assert all(len(share) == 2 * PER_REQUEST for share in shares)
    assert len({block(r, "domain") for r in wave}) == 3
    assert len({block(r, "example") for r in wave}) == 3


@pytest.mark.parametrize(("mode", "expected"), [(Mode.DECISION, 4), (Mode.PRIMED, 4), (Mode.SUSTAINED, 2)])
def test_every_kind_of_lock_in_has_its_turn(mode: Mode, expected: int) -> None:
    asked = {
        block(r, "example")
        for number in range(4)
        for r in drafted(request(PER_REQUEST, round=number), mode=mode)[1].asked[:1]
    }
    assert asked == {hinge.example for hinge in hinges(trait(mode))}
    assert len(asked) == expected


def test_a_pair_remembers_the_kind_it_was_written_for() -> None:
    done, answering = drafted(request(1), batch(0))
    names = {hinge.example: hinge.kind for hinge in hinges(trait())}
    assert done.changes[0].after.kind == names[block(answering.asked[0], "example")]


# What the author is shown.


def test_the_author_is_shown_what_exists_and_what_to_leave_alone() -> None:
    existing = drafted(request(1), batch(0))[0].changes[0].after
    _, answering = drafted(request(2, (existing,), excluded_topics=("a gun shop",)), batch(1))
    assert blocks(answering.asked[0], "accepted") == [existing.positive.text, existing.negative.text]
    assert blocks(answering.asked[0], "struck") == ["a gun shop"]
    assert len(blocks(answering.asked[1], "accepted")) == 4


def test_only_the_latest_pairs_are_shown() -> None:
    many = tuple(pair(f"Scene {i}, so I", f"Merry scene {i}, so I", f"d{i}") for i in range(30))
    _, answering = drafted(request(1, many))
    shown = blocks(answering.asked[0], "accepted")
    assert (len(shown), shown[0], shown[-1]) == (48, "Scene 6, so I", "Merry scene 29, so I")
