"""What `vet` does: the guide's stages 0, 1 and 2 on a dataset as it is."""

from collections.abc import Sequence

from agent.cli.compose import Job, Workshop
from agent.cli.exits import worst
from agent.cli.orders import Order, prepared
from agent.cli.results import write_completions
from agent.cli.screen import Screen
from agent.cli.trouble import Interrupted, Refusal
from agent.record.ledger import Ledger
from agent.record.scores import Examined, Which, write_scores
from agent.schema import (
    EXIT_CODES,
    Completion,
    Depth,
    Finding,
    Outcome,
    Polarity,
    Question,
    Ruling,
    Scenario,
    Tally,
)
from agent.steps.bench import Bench
from agent.steps.questions import Asked
from agent.steps.vet import greedy
from agent.steps.voting import Ballot, poll

_UNJUDGED = 2
_OUTCOME = {Ruling.FAVOURABLE: Outcome.PASS, Ruling.ADVERSE: Outcome.FAIL}
_NOTHING = Completion(text="", token_ids=(), opening="")


def stages_of(listed: str, vet_scenarios: bool) -> frozenset[int]:
    """The stages asked for. Raises Refusal for what is no stage."""
    names = {name.strip() for name in listed.split(",") if name.strip()}
    if not names or names - {"0", "1", "2"}:
        raise Refusal(f"--only-stage {listed!r} names no stages: write some of 0,1,2, separated by commas.")
    return frozenset(map(int, names)) | (frozenset({0}) if vet_scenarios else frozenset())


def vet_by_hand(order: Order, stages: frozenset[int]) -> int:
    """Run the stages on every trait; 2 when something could not be judged."""
    settings = order.settings()
    work = order.jobs(settings)
    with Screen() as screen, prepared(settings, work, screen) as workshop:
        for job in work:
            screen.expect(job.trait.id, len(job.dataset.pairs))
        try:
            return worst([_vet(workshop, job, stages, screen) for job in work])
        except Interrupted as error:
            screen.say(f"{error} What was bought is stored; the same command goes on.")
            return EXIT_CODES[error.ending]


def _vet(workshop: Workshop, job: Job, stages: frozenset[int], screen: Screen) -> int:
    trait, unjudged = job.trait.id, 0
    scenarios = [side for pair in job.dataset.pairs for side in pair.sides]
    completions = [_NOTHING] * len(scenarios)
    with Ledger(job.folder.ledger_path) as ledger:
        bench = workshop.bench(job, ledger, lambda what: screen.stage(trait, what))
        if stages & {1, 2}:
            completions = greedy(bench, scenarios)
            made = {s.key: c for s, c in zip(scenarios, completions, strict=True)}
            write_completions(workshop, job, job.dataset.pairs, made)
            screen.say(f"{trait}: {len(scenarios)} responses in {job.folder.responses}")
        for stage, which in ((0, Question.FORECAST), (2, Question.RESPONSE)):
            if stage in stages:
                findings = _judged(bench, which, scenarios, completions)
                unjudged += _written(workshop, job, which, findings, screen)
    return _UNJUDGED if unjudged else 0


def _judged(
    bench: Bench, question: Question, scenarios: Sequence[Scenario], completions: Sequence[Completion]
) -> list[Finding]:
    """One question about every scenario, each adverse answer asked again in another wording."""
    asked = [Asked(question, s, c) for s, c in zip(scenarios, completions, strict=True)]
    tallies = poll(bench, [Ballot.at(Depth.FIRST, one) for one in asked])
    return [_finding(one, tally) for one, tally in zip(asked, tallies, strict=True)]


def _finding(asked: Asked, tally: Tally) -> Finding:
    outcome = _OUTCOME.get(tally.ruling, Outcome.UNJUDGED)
    return Finding(
        pair="",
        polarity=asked.scenario.polarity,
        key=asked.scenario.key,
        depth=Depth.FIRST,
        completion=asked.completion,
        tallies=(tally,),
        scenario=outcome if asked.question is Question.FORECAST else Outcome.UNJUDGED,
        response=outcome if asked.question is Question.RESPONSE else Outcome.UNJUDGED,
        first_token=Outcome.UNJUDGED,
        verdict=None,
    )


def _written(workshop: Workshop, job: Job, question: Question, findings: Sequence[Finding], screen: Screen) -> int:
    """Write the scores, tell their summary, and return how many are unjudged."""
    which: Which = "scenario" if question is Question.FORECAST else "response"
    by_key = {finding.key: finding for finding in findings}
    examined = Examined(job.dataset.pairs, by_key, job.trait.definition, workshop.settings.rules, job.trait.mode)
    path = write_scores(job.folder, which, examined)
    outcomes = [(f.polarity, f.scenario if which == "scenario" else f.response) for f in findings]
    unjudged = sum(outcome is Outcome.UNJUDGED for _, outcome in outcomes)
    passed = {p: outcomes.count((p, Outcome.PASS)) for p in Polarity}
    total = len(job.dataset.pairs)
    told = ", ".join(f"{n} of {total} {polarity}" for polarity, n in passed.items())
    screen.say(f"{job.trait.id}: {which} check: {told} pass, {unjudged} could not be judged; {path}")
    return unjudged
