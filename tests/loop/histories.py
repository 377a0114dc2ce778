"""Hand-made histories: tiny factories for pairs, findings and rounds, put together as a test tells its story."""

from collections.abc import Iterable, Sequence

from agent.loop.policy import next_move
from agent.schema import (
    Audit,
    Caps,
    Change,
    Confirm,
    Depth,
    Draft,
    Finding,
    History,
    Move,
    Outcome,
    Pair,
    Park,
    Plan,
    Polarity,
    Recheck,
    Repair,
    Round,
    Rules,
    Rung,
    Scenario,
    Signals,
    Stop,
    Verdict,
)

PASS, FAIL, UNJUDGED = Outcome.PASS, Outcome.FAIL, Outcome.UNJUDGED
POSITIVE, NEGATIVE = Polarity.POSITIVE, Polarity.NEGATIVE
FIRST, CONFIRM, AUDIT = Depth.FIRST, Depth.CONFIRM, Depth.AUDIT
NO_SIGNALS = Signals()


def scenario(polarity: Polarity, stem: str, ending: str) -> Scenario:
    return Scenario(polarity=polarity, stem=stem, ending=ending)


def pair(name: str = "d0000", version: int = 0) -> Pair:
    """A pair whose texts follow from its name and version alone."""
    return Pair(
        id=name,
        positive=scenario(POSITIVE, f"Story {name} is sad. ", f"Version {version} crossed a line, so I"),
        negative=scenario(NEGATIVE, f"Story {name} is merry. ", f"Version {version} was kind, so I"),
    )


def pairs(count: int, start: int = 0) -> tuple[Pair, ...]:
    return tuple(pair(f"d{i:04d}") for i in range(start, start + count))


def edited(old: Pair, polarity: Polarity, ending: str = "Another thought came, so I", stem: str | None = None) -> Pair:
    side = old.side(polarity)
    new = scenario(polarity, side.stem if stem is None else stem, ending)
    return old.model_copy(update={polarity.value: new})


_VERDICT = {PASS: Verdict.EXPRESS, FAIL: Verdict.WRONG, UNJUDGED: None}


def finding(
    of: Pair,
    polarity: Polarity = POSITIVE,
    outcome: Outcome = PASS,
    depth: Depth = FIRST,
    verdict: Verdict | None = None,
) -> Finding:
    """A finding about the present text of one side; the verdict fits the outcome unless one is given."""
    return Finding(
        pair=of.id,
        polarity=polarity,
        key=of.side(polarity).key,
        depth=depth,
        completion=None,
        tallies=(),
        scenario=PASS,
        response=PASS,
        first_token=outcome,
        verdict=verdict or _VERDICT[outcome],
    )


def found(of: Pair, outcome: Outcome = PASS, depth: Depth = FIRST, verdict: Verdict | None = None) -> list[Finding]:
    """Findings on both sides. Only the positive side has the outcome; the negative passes."""
    return [finding(of, POSITIVE, outcome, depth, verdict), finding(of, NEGATIVE, PASS, depth)]


def findings(of: Iterable[Pair], outcome: Outcome = PASS, depth: Depth = FIRST) -> tuple[Finding, ...]:
    return tuple(f for p in of for f in found(p, outcome, depth))


def round_(
    move: Move, changes: Iterable[Change] = (), found_: Iterable[Finding] = (), parked: Iterable[Park] = ()
) -> Round:
    """A round whose number `history` sets."""
    return Round(number=0, move=move, changes=tuple(changes), findings=tuple(found_), parked=tuple(parked))


def history(*rounds: Round) -> History:
    return tuple(done.model_copy(update={"number": i + 1}) for i, done in enumerate(rounds))


def adopted(of: Iterable[Pair], found_: Iterable[Finding] | None = None, goal: int = 4) -> Round:
    """A Draft round that took pairs from the dataset; they all pass unless other findings are given."""
    of = tuple(of)
    changes = [Change(pair=p.id, what="adopt", before=None, after=p) for p in of]
    return round_(Draft(goal=goal, count=len(of), adopt=len(of)), changes, findings(of) if found_ is None else found_)


def drafted(of: Iterable[Pair], found_: Iterable[Finding] | None = None, goal: int = 4) -> Round:
    """A Draft round in which the author wrote all pairs."""
    of = tuple(of)
    changes = [Change(pair=p.id, what="draft", before=None, after=p) for p in of]
    return round_(Draft(goal=goal, count=max(1, len(of))), changes, findings(of) if found_ is None else found_)


def repaired(before: Pair, after: Pair, found_: Iterable[Finding], *rungs: tuple[Polarity, Rung]) -> Round:
    change = Change(pair=before.id, what="repair", before=before, after=after, rungs=rungs)
    return round_(Repair(pairs=(before.id,)), [change], found_)


def failed_repair(of: Pair, outcome: Outcome = FAIL) -> Round:
    """A Repair round that kept the pair as it was."""
    return repaired(of, of, found(of, outcome), (POSITIVE, Rung.STRENGTHEN))


def dropped(of: Pair) -> Round:
    change = Change(pair=of.id, what="drop", before=of, after=None)
    return round_(Repair(pairs=(), replace=(of.id,)), [change])


def rechecked(of: Iterable[Pair], outcome: Outcome = UNJUDGED, depth: Depth = FIRST) -> Round:
    of = tuple(of)
    return round_(Recheck(pairs=tuple(p.id for p in of)), found_=findings(of, outcome, depth))


def confirmed(of: Iterable[Pair], outcome: Outcome = PASS) -> Round:
    of = tuple(of)
    return round_(Confirm(pairs=tuple(p.id for p in of)), found_=findings(of, outcome, CONFIRM))


def audited(of: Iterable[Pair], outcome: Outcome = PASS) -> Round:
    of = tuple(of)
    return round_(Audit(pairs=tuple(p.id for p in of)), found_=findings(of, outcome, AUDIT))


def plan(dataset_size: int = 0, rules: Rules | None = None, **caps: int) -> Plan:
    """A small plan: pilot and batch of 4 pairs, target 4, unless said otherwise."""
    small = {"pilot": 4, "batch": 4, "target": 4} | caps
    return Plan(caps=Caps(**small), rules=rules or Rules(), dataset_size=dataset_size)


FOUR = pairs(4)


def move(*rounds: Round, by: Plan | None = None, signals: Signals = NO_SIGNALS) -> Move:
    """What the policy answers to these rounds; by default with a dataset of four pairs."""
    return next_move(history(*rounds), by or plan(dataset_size=4), signals)


def stop(*rounds: Round, by: Plan | None = None, signals: Signals = NO_SIGNALS) -> Stop:
    answer = move(*rounds, by=by, signals=signals)
    assert isinstance(answer, Stop), answer
    return answer


def ids(of: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(p.id for p in of)


def mixed(**outcomes: Outcome) -> list[Round]:
    """Four adopted pairs, d0000 to d0003, each with an outcome (default: pass)."""
    return [adopted(FOUR, [f for p in FOUR for f in found(p, outcomes.get(p.id, PASS))])]
