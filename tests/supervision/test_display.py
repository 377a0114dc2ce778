"""The display: one row per trait on a terminal, lines elsewhere, and thread-safe."""

import io
import re
import threading
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

from agent.loop.state import replay
from agent.schema import History, Usage
from agent.storage.ledger_database import LedgerError
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from tests.loop.histories import FAIL, adopted, confirmed, findings, history, pairs
from tests.supervision.worker import ManualClock, wait_until

TRAIT = "toy/\x1brefusal"
COST = Usage(calls=(("judge", 7), ("subject", 2)), micro_usd=420_000)


def plain(sink: io.StringIO, terminal: bool = False) -> Console:
    return Console(file=sink, force_terminal=terminal, width=120, height=20, color_system=None)


def three_rounds() -> History:
    """Three pairs are adopted, of which one fails; then the others are confirmed, one by one."""
    some = pairs(3)
    first = adopted(some, findings(some[:2]) + findings(some[2:], FAIL))
    rounds = history(first, confirmed(some[:1]), confirmed(some[1:2]))
    return tuple(done.model_copy(update={"cost": COST}) for done in rounds)


def written_over_two_rounds(terminal: bool) -> str:
    sink, rounds = io.StringIO(), three_rounds()[:2]
    with RunDisplay(plain(sink, terminal)) as display:
        display.add_trait(TRAIT, 6)
        display.stage(TRAIT, "asks 12 questions")
        for i, done in enumerate(rounds):
            display.add_round(TRAIT, done, replay(rounds[: i + 1]))
        display.print("the end [/b]")
    return sink.getvalue()


def test_without_a_terminal_each_round_is_one_plain_line() -> None:
    lines = written_over_two_rounds(terminal=False).split("\n")
    of = "3 pairs of 6 wanted, 2 pass,"
    assert lines == [
        f"toy/␛refusal: round 1, draft (3 adopt); {of} 0 confirmed; calls so far: 7 judge, 2 subject",
        f"toy/␛refusal: round 2, confirm; {of} 1 confirmed; calls so far: 14 judge, 4 subject",
        "the end [/b]",
        "",
    ]


def test_on_a_terminal_one_row_shows_bar_stage_calls_and_money() -> None:
    written = written_over_two_rounds(terminal=True)
    row = written[written.rindex("toy/␛refusal") :].split("\n")[0]
    assert re.split(r"\s{2,}", row.strip()) == [
        "toy/␛refusal",
        "████▓▓▓▓░░░░············",
        "1/6",
        "2",
        "asks 12 questions",
        "14",
        "0.84",
        "-",
    ]
    assert "the end [/b]" in written
    assert "round 1, draft" not in written


def run_two_traits(
    sink: io.StringIO, terminal: bool, clock: ManualClock, limits: Callable[[], Sequence[str]]
) -> Progress:
    """Two traits, of which one confirms a pair in 30 minutes, with its usage read from a ledger."""
    progress, rounds = Progress((TRAIT, "toy/two"), clock), three_rounds()
    progress.stage(TRAIT, "asks \x1b[2J questions")
    progress.error("judge: 502 \x1b[31m")
    progress.pause("judge", "judge: out since 12:00")
    display = RunDisplay(plain(sink, terminal), progress, limits, clock, poll=3600.0)
    with display:
        display.add_trait(TRAIT, 6)
        display.add_trait("toy/two", 48)
        with display.track_cost(TRAIT, lambda: Usage(calls=(("judge", 30), ("subject", 9)), micro_usd=1_250_000)):
            display.add_history(TRAIT, rounds[:2], replay(rounds[:2]))
            clock.now += 1800
            display.add_round(TRAIT, rounds[2], replay(rounds))
            display.refresh()
            clock.now += 59
            display.refresh()
            clock.now += 1
            display.refresh()
    return progress


LIMITED = "judge: 12 of 32 in flight, 180/s, paused 12 s"


def test_the_view_shows_limits_pause_last_error_cost_and_eta_without_control_characters() -> None:
    sink = io.StringIO()
    run_two_traits(sink, True, ManualClock(1000.0), lambda: (LIMITED, "author: \x1b]0;x\x07"))
    frames = sink.getvalue()
    assert f"{LIMITED}; author: ␛]0;x␇" in frames
    assert "paused: judge: out since 12:00" in frames
    assert "last error: judge: 502 ␛[31m" in frames
    assert "asks ␛[2J questions" in frames
    assert re.search(r"2/6 +3 +asks \S+ questions +30 +1\.25 +2 h 00 min", frames)
    assert re.search(r"toy/two +·{24} +0/48 +0 +waiting +0 +0\.00 +-", frames)
    assert "\x1b[2J" not in frames
    assert "\x1b[31m" not in frames


def test_a_log_has_a_status_line_a_minute_and_an_error_once() -> None:
    sink = io.StringIO()
    run_two_traits(sink, False, ManualClock(1000.0), lambda: (LIMITED,))
    lines = [line for line in sink.getvalue().split("\n") if line.startswith("after")]
    state = (
        "toy/␛refusal: asks ␛[2J questions, 2 of 6 confirmed, 30 calls, 1.25 USD; "
        f"toy/two: waiting, 0 of 48 confirmed, 0 calls, 0.00 USD; {LIMITED}; paused: judge: out since 12:00"
    )
    assert lines == [f"after 30 min; {state}; last error: judge: 502 ␛[31m", f"after 31 min; {state}"]


def test_a_stage_without_steps_says_for_how_long() -> None:
    sink, clock = io.StringIO(), ManualClock(1000.0)
    progress = Progress((TRAIT, "toy/two"), clock)
    progress.stage(TRAIT, "asks 12 questions")
    with RunDisplay(plain(sink), progress, clock=clock, poll=3600.0) as display:
        display.add_trait(TRAIT, 6)
        display.add_trait("toy/two", 6)
        clock.now += 19
        progress.step(TRAIT, "answers")
        clock.now += 42
        display.refresh()
        progress.step(TRAIT, "answers")
        clock.now += 60
        progress.step(TRAIT, "answers")
        display.refresh()
        clock.now += 600
        display.refresh()
        progress.finish(TRAIT, "ready")
        clock.now += 60
        display.refresh()
    lines = [line.partition("; ")[2].partition(" of")[0] for line in sink.getvalue().split("\n") if line]
    assert lines == [
        "toy/␛refusal: asks 12 questions, nothing new for 42 s, 0",
        "toy/␛refusal: asks 12 questions, 0",
        "toy/␛refusal: asks 12 questions, nothing new for 10 min, 0",
        "toy/␛refusal: ready, 0",
    ]
    assert "toy/two: waiting, 0 of" in sink.getvalue()


ENDPOINT = "judge at https://api.example"


def stages_after_a_pause(paused: str, *, over: bool) -> dict[str, str]:
    """The stages of two busy traits 15 s after half an hour in which something was paused, or still is."""
    clock = ManualClock(1000.0)
    progress = Progress((TRAIT, "toy/two"), clock)
    for trait in (TRAIT, "toy/two"):
        progress.stage(trait, "asks")
    progress.pause(paused, "it waits")
    clock.now += 1800
    if over:
        progress.pause(paused, None)
    clock.now += 15
    return progress.stages()


LATE = "asks, nothing new for 30 min"
PAUSES = {
    "an endpoint is out": (ENDPOINT, False, "asks", "asks"),
    "an endpoint was out": (ENDPOINT, True, "asks", "asks"),
    "one trait is paused": (TRAIT, False, "asks", LATE),
    "one trait was paused": (TRAIT, True, "asks", LATE),
}


@pytest.mark.parametrize(("paused", "over", "first", "second"), PAUSES.values(), ids=PAUSES.keys())
def test_a_trait_that_is_or_was_paused_is_not_called_quiet_and_the_others_are(
    paused: str, over: bool, first: str, second: str
) -> None:
    assert stages_after_a_pause(paused, over=over) == {TRAIT: first, "toy/two": second}


def test_the_display_prints_the_status_line_from_its_own_thread() -> None:
    sink, clock = io.StringIO(), ManualClock(1000.0)
    with RunDisplay(plain(sink), clock=clock, poll=0.001) as display:
        display.add_trait(TRAIT, 6)
        clock.now += 61
        wait_until(lambda: "after 1 min; toy/␛refusal: waiting" in sink.getvalue())


def test_a_ledger_that_cannot_be_read_leaves_the_last_usage() -> None:
    figures = [Usage(calls=(("judge", 5),))]

    def spent() -> Usage:
        if figures:
            return figures.pop()
        raise LedgerError("disk I/O error")

    sink, clock = io.StringIO(), ManualClock(1000.0)
    with RunDisplay(plain(sink), clock=clock, poll=3600.0) as display:
        display.add_trait(TRAIT, 6)
        with display.track_cost(TRAIT, spent):
            clock.now += 60
            display.refresh()
    assert "5 calls" in sink.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_traits_report_from_threads_and_lines_stay_together(terminal: bool) -> None:
    sink, rounds = io.StringIO(), three_rounds()
    traits = [f"toy/t{number}" for number in range(8)]

    def report(display: RunDisplay, trait: str) -> None:
        with display.track_cost(trait, lambda: COST):
            display.add_history(trait, (), replay(()))
            for i, done in enumerate(rounds):
                display.add_round(trait, done, replay(rounds[: i + 1]))
            for number in range(20):
                display.print(f"{trait} first {number}", f"{trait} second {number}")

    with RunDisplay(plain(sink, terminal), poll=0.001) as display:
        for trait in traits:
            display.add_trait(trait, 6)
        threads = [threading.Thread(target=report, args=(display, trait)) for trait in traits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    printed = [f"{trait} first {number}\n{trait} second {number}\n" for trait in traits for number in range(20)]
    assert [lines for lines in printed if lines not in sink.getvalue()] == []


def test_a_log_says_at_once_that_a_pause_has_begun_and_ended() -> None:
    sink, progress, clock = io.StringIO(), Progress((TRAIT,)), ManualClock()
    display = RunDisplay(plain(sink), progress, clock=clock)
    display.add_trait(TRAIT, 6)
    for why in ("judge at http://a is loading", "judge at http://a is loading still", None):
        progress.pause("judge", why)
        display.refresh()
        display.refresh()
    assert sink.getvalue() == "paused: judge at http://a is loading\ngoes on\n"


def test_the_calls_of_a_round_include_what_failed() -> None:
    sink, first = io.StringIO(), three_rounds()[0]
    display = RunDisplay(plain(sink))
    display.add_trait(TRAIT, 6)
    with display.track_cost(TRAIT, lambda: Usage(calls=(("judge", 40),), micro_usd=1)):
        display.add_round(TRAIT, first, replay((first,)))
    assert "calls so far: 40 judge\n" in sink.getvalue()
