"""What a run shows: one row per trait on a terminal, lines elsewhere; several traits at once write to it."""

import io
import re
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

from agent.loop.state import replay
from agent.schema import History, Usage
from agent.storage.ledger_database import LedgerError
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from tests.loop.histories import FAIL, adopted, confirmed, findings, history, pairs

TRAIT = "toy/\x1brefusal"
COST = Usage(calls=(("judge", 7), ("subject", 2)), micro_usd=420_000)


class Clock:
    """A time that passes when the test says so."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def plain(sink: io.StringIO, terminal: bool = False) -> Console:
    return Console(file=sink, force_terminal=terminal, width=120, height=20, color_system=None)


def three_rounds() -> History:
    """Three pairs taken in, of which one fails; then the others are confirmed, one by one."""
    some = pairs(3)
    first = adopted(some, findings(some[:2]) + findings(some[2:], FAIL))
    rounds = history(first, confirmed(some[:1]), confirmed(some[1:2]))
    return tuple(done.model_copy(update={"cost": COST}) for done in rounds)


def shown(terminal: bool) -> str:
    """What a screen writes over two rounds."""
    sink, rounds = io.StringIO(), three_rounds()[:2]
    with RunDisplay(plain(sink, terminal)) as screen:
        screen.add_trait(TRAIT, 6)
        screen.stage(TRAIT, "asks 12 questions")
        for i, done in enumerate(rounds):
            screen.add_round(TRAIT, done, replay(rounds[: i + 1]))
        screen.print("the end [/b]")
    return sink.getvalue()


def test_elsewhere_each_round_is_one_plain_line() -> None:
    lines = shown(terminal=False).split("\n")
    of = "3 pairs of 6 wanted, 2 pass,"
    assert lines == [
        f"toy/␛refusal: round 1, draft (3 adopt); {of} 0 confirmed; calls so far: 7 judge, 2 subject",
        f"toy/␛refusal: round 2, confirm; {of} 1 confirmed; calls so far: 14 judge, 4 subject",
        "the end [/b]",
        "",
    ]


def test_on_a_terminal_one_row_shows_bar_stage_calls_and_money() -> None:
    written = shown(terminal=True)
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


def followed(sink: io.StringIO, terminal: bool, clock: Clock, limiter: Callable[[], Sequence[str]]) -> Progress:
    """A view of two traits of which one has confirmed a pair in 30 minutes, while its ledger counts on."""
    progress, rounds = Progress((TRAIT, "toy/two"), clock), three_rounds()
    progress.stage(TRAIT, "asks \x1b[2J questions")
    progress.error("judge: 502 \x1b[31m")
    progress.pause("judge", "judge: out since 12:00")
    screen = RunDisplay(plain(sink, terminal), progress, limiter, clock, poll=3600.0)
    with screen:
        screen.add_trait(TRAIT, 6)
        screen.add_trait("toy/two", 48)
        with screen.track_cost(TRAIT, lambda: Usage(calls=(("judge", 30), ("subject", 9)), micro_usd=1_250_000)):
            screen.add_history(TRAIT, rounds[:2], replay(rounds[:2]))
            clock.time += 1800
            screen.add_round(TRAIT, rounds[2], replay(rounds))
            screen.refresh()
            clock.time += 59
            screen.refresh()
            clock.time += 1
            screen.refresh()
    return progress


LIMITED = "judge: 12 of 32 in flight, 180/s, paused 12 s"


def test_the_view_tells_limiter_pause_last_error_money_and_time_left_and_obeys_nobody() -> None:
    sink = io.StringIO()
    followed(sink, True, Clock(), lambda: (LIMITED, "author: \x1b]0;x\x07"))
    frames = sink.getvalue()
    assert f"{LIMITED}; author: ␛]0;x␇" in frames
    assert "paused: judge: out since 12:00" in frames
    assert "last error: judge: 502 ␛[31m" in frames
    assert "asks ␛[2J questions" in frames
    assert re.search(r"2/6 +3 +asks \S+ questions +30 +1\.25 +2 h 00 min", frames)
    assert re.search(r"toy/two +·{24} +0/48 +0 +waiting +0 +0\.00 +-", frames)
    assert "\x1b[2J" not in frames
    assert "\x1b[31m" not in frames


def test_a_log_shows_life_once_a_minute_and_an_error_once() -> None:
    sink = io.StringIO()
    followed(sink, False, Clock(), lambda: (LIMITED,))
    said = [line for line in sink.getvalue().split("\n") if line.startswith("after")]
    state = (
        "toy/␛refusal: asks ␛[2J questions, 2 of 6 confirmed, 30 calls, 1.25 USD; "
        f"toy/two: waiting, 0 of 48 confirmed, 0 calls, 0.00 USD; {LIMITED}; paused: judge: out since 12:00"
    )
    assert said == [f"after 30 min; {state}; last error: judge: 502 ␛[31m", f"after 31 min; {state}"]


def test_a_stage_that_brings_nothing_says_for_how_long() -> None:
    sink, clock = io.StringIO(), Clock()
    progress = Progress((TRAIT, "toy/two"), clock)
    progress.stage(TRAIT, "asks 12 questions")
    with RunDisplay(plain(sink), progress, clock=clock, poll=3600.0) as screen:
        screen.add_trait(TRAIT, 6)
        screen.add_trait("toy/two", 6)
        clock.time += 19
        progress.step(TRAIT, "answers")
        clock.time += 42
        screen.refresh()
        progress.step(TRAIT, "answers")
        clock.time += 60
        progress.step(TRAIT, "answers")
        screen.refresh()
        clock.time += 600
        screen.refresh()
        progress.finish(TRAIT, "ready")
        clock.time += 60
        screen.refresh()
    said = [line.partition("; ")[2].partition(" of")[0] for line in sink.getvalue().split("\n") if line]
    assert said == [
        "toy/␛refusal: asks 12 questions, nothing new for 42 s, 0",
        "toy/␛refusal: asks 12 questions, 0",
        "toy/␛refusal: asks 12 questions, nothing new for 10 min, 0",
        "toy/␛refusal: ready, 0",
    ]
    assert "toy/two: waiting, 0 of" in sink.getvalue()


ENDPOINT = "judge at https://api.example"


def told_after(held: str, *, over: bool) -> dict[str, str]:
    """What two busy traits are said to do 15 s after half an hour in which something held the run up, or still does."""
    clock = Clock()
    progress = Progress((TRAIT, "toy/two"), clock)
    for trait in (TRAIT, "toy/two"):
        progress.stage(trait, "asks")
    progress.pause(held, "it waits")
    clock.time += 1800
    if over:
        progress.pause(held, None)
    clock.time += 15
    return progress.stages()


LATE = "asks, nothing new for 30 min"
HELD = {
    "an endpoint is out": (ENDPOINT, False, "asks", "asks"),
    "an endpoint was out": (ENDPOINT, True, "asks", "asks"),
    "one trait is paused": (TRAIT, False, "asks", LATE),
    "one trait was paused": (TRAIT, True, "asks", LATE),
}


@pytest.mark.parametrize(("held", "over", "first", "second"), HELD.values(), ids=HELD.keys())
def test_who_waits_or_has_waited_on_purpose_is_not_called_quiet_and_the_others_are(
    held: str, over: bool, first: str, second: str
) -> None:
    assert told_after(held, over=over) == {TRAIT: first, "toy/two": second}


def test_the_minute_is_kept_by_the_screens_own_thread() -> None:
    sink, clock = io.StringIO(), Clock()
    with RunDisplay(plain(sink), clock=clock, poll=0.001) as screen:
        screen.add_trait(TRAIT, 6)
        clock.time += 61
        until(lambda: "after 1 min; toy/␛refusal: waiting" in sink.getvalue())


def test_a_ledger_that_cannot_be_read_leaves_the_last_figure() -> None:
    figures = [Usage(calls=(("judge", 5),))]

    def spent() -> Usage:
        if figures:
            return figures.pop()
        raise LedgerError("disk I/O error")

    sink, clock = io.StringIO(), Clock()
    with RunDisplay(plain(sink), clock=clock, poll=3600.0) as screen:
        screen.add_trait(TRAIT, 6)
        with screen.track_cost(TRAIT, spent):
            clock.time += 60
            screen.refresh()
    assert "5 calls" in sink.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_traits_may_report_all_at_once_and_lines_stay_together(terminal: bool) -> None:
    sink, rounds = io.StringIO(), three_rounds()
    traits = [f"toy/t{number}" for number in range(8)]

    def report(screen: RunDisplay, trait: str) -> None:
        with screen.track_cost(trait, lambda: COST):
            screen.add_history(trait, (), replay(()))
            for i, done in enumerate(rounds):
                screen.add_round(trait, done, replay(rounds[: i + 1]))
            for number in range(20):
                screen.print(f"{trait} first {number}", f"{trait} second {number}")

    with RunDisplay(plain(sink, terminal), poll=0.001) as screen:
        for trait in traits:
            screen.add_trait(trait, 6)
        threads = [threading.Thread(target=report, args=(screen, trait)) for trait in traits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said = [f"{trait} first {number}\n{trait} second {number}\n" for trait in traits for number in range(20)]
    assert [lines for lines in said if lines not in sink.getvalue()] == []


def until(done: Callable[[], bool]) -> None:
    """Wait for another thread, for at most a minute."""
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.005)
