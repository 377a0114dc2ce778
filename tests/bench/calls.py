"""What calls cost: judge calls a second through the whole path (T1), and calls that memory saves over a loop (T3)."""

import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from agent.loop.state import apply_round, replay
from agent.schema import Finding, Polarity, Role, Round
from agent.storage.ledger import Ledger
from agent.toyworld.server import create_app
from tests.bench import throughput
from tests.bench.report import Row, met, tell
from tests.e2e.rehearsal import EXACT, PLACE, Gatekeeper, larger, rehearse

DATASET = Path("datasets/traits/toy/refusal")
SIZE = 48


def speed(quick: bool) -> Row:
    """T1: the plain client and the whole path take turns."""
    calls, repetitions = (1000, 2) if quick else (3000, 3)
    requests = throughput.questions(calls)
    with ExitStack() as stack:
        url = stack.enter_context(throughput.serving())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        whole = stack.enter_context(closing(throughput.WholePath(url, folder, False)))
        plain = throughput.plain(url, aiohttp=False)
        for contender in (plain, whole):
            contender(requests[:200])
        ours, theirs = [], []
        for number in range(repetitions):
            tell(f"T1: repetition {number + 1} of {repetitions}")
            theirs.append(throughput.measured(plain, requests))
            ours.append(throughput.measured(whole, requests))
    ratio = statistics.median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
    return Row(
        "T1",
        "judge calls a second, 100 in flight, 50 ms",
        _rate(theirs),
        f"{_rate(ours)}, {ratio:.2f} x",
        ">= 1.5 x plain",
        f"{repetitions} x {calls} calls",
        met(ratio >= 1.5),
    )


def _rate(runs: list[throughput.Measured]) -> str:
    per_second = statistics.median(run.per_second for run in runs)
    return f"{per_second:.0f}/s at {statistics.median(run.cpu_ms for run in runs):.2f} ms CPU"


def saving(quick: bool) -> Row:
    """T3: a loop to a whole audited set against one that judges the set afresh after each round.

    The final set is the same if a judge without any memory passes all of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = SIZE // 2 if quick else SIZE
        tell(f"T3: a loop to {size} pairs")
        loop, endpoint = larger(root / "loop", size), Gatekeeper(create_app(EXACT))
        ended = rehearse(loop, before=endpoint).exit_code
        with Ledger.read(loop / PLACE / "ledger.sqlite") as ledger:
            history = ledger.history(ledger.campaigns()[-1].id)
        sent = len(endpoint.questions) - calls_by_role(history)[Role.AUTHOR]
        confirmed = _judged_afresh(loop, root)
    full = full_rejudge_calls(history)
    saved = 1 - sent / full
    same = ended == 0 and f"{2 * size} of {2 * size} scenarios pass" in confirmed
    return Row(
        "T3",
        f"judge calls over {len(history)} rounds to {size} audited pairs",
        f"{full} (all again each round)",
        f"{sent}, {saved:.0%} saved, final set {'passes afresh' if same else 'DIFFERS'}",
        ">= 75% saved, same set",
        "1 loop",
        met(saved >= 0.75 and same),
    )


def _judged_afresh(loop: Path, root: Path) -> str:
    """What the diagnosis of the final set says, by a judge that remembers nothing."""
    anew = larger(root / "anew", SIZE)
    for side in ("positive", "negative"):
        shutil.copyfile(loop / PLACE / "final" / f"{side}.txt", anew / DATASET / f"{side}.txt")
    return rehearse(anew, "--diagnostic").output


Vote = tuple[str, str, str, int, int]


def votes_of(finding: Finding) -> list[Vote]:
    """Every answer that a finding rests on, under a name of its own."""
    votes = [
        (finding.key, str(tally.question), vote.wording, vote.sample, draw)
        for tally in finding.tallies
        for vote in tally.votes
        for draw in range(max(1, len(vote.answers)))
    ]
    samples = finding.lock_in[1] if finding.lock_in else 0
    return votes + [(finding.key, "lock-in", "a", sample, 0) for sample in range(samples)]


def full_rejudge_calls(history: Iterable[Round]) -> int:
    """Judge and auditor calls of a loop that forgets: after each round the whole set is judged again as it was last.

    Its candidates, and all else that is no examination of the set, cost it what they cost here.
    """
    now, asked, examined, bought = replay(()), 0, set[Vote](), 0
    for done in history:
        now = apply_round(now, done)
        found = [item.finding(polarity) for item in now.items.values() for polarity in Polarity]
        asked += sum(len(votes_of(finding)) for finding in found if finding is not None)
        examined.update(vote for finding in done.findings for vote in votes_of(finding))
        bought += sum(n for role, n in done.cost.calls if role in (Role.JUDGE, Role.AUDITOR))
    return asked + max(0, bought - len(examined))


def calls_by_role(history: Iterable[Round]) -> Counter[str]:
    """Calls of all rounds by role; "subject" counts completions."""
    calls: Counter[str] = Counter()
    for done in history:
        calls.update(dict(done.cost.calls))
    return calls
