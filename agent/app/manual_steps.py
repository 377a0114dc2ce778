"""What `vet` does: the guide's stages 0, 1 and 2 on a dataset as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.app.composition import BACKENDS, Backends, RunContext, TraitJob
from agent.app.outputs import write_completions
from agent.app.run import ExperimentOptions, prepared
from agent.errors import Interrupted, UserError, worst
from agent.schema import (
    EXIT_CODES,
    Completion,
    Depth,
    Finding,
    Outcome,
    Polarity,
    Question,
    Scenario,
    Tally,
    VoteOutcome,
)
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.vet import greedy
from agent.steps.voting import Ballot, collect_votes
from agent.storage.experiment import ExperimentFolder, LayoutError, Response, read_json, read_responses
from agent.storage.ledger import Ledger
from agent.storage.vetting_files import SetFindings, Stage, read_scores, write_scores
from agent.supervision.display import RunDisplay

_UNJUDGED = 2
_OUTCOME = {VoteOutcome.FAVOURABLE: Outcome.PASS, VoteOutcome.ADVERSE: Outcome.FAIL}
_NOTHING = Completion(text="", token_ids=(), opening="")


def stages_of(listed: str, vet_scenarios: bool) -> frozenset[int]:
    """The stages asked for. Raises Refusal for what is no stage."""
    names = {name.strip() for name in listed.split(",") if name.strip()}
    if not names or names - {"0", "1", "2"}:
        raise UserError(f"--only-stage {listed!r} names no stages: write some of 0,1,2, separated by commas.")
    return frozenset(map(int, names)) | (frozenset({0}) if vet_scenarios else frozenset())


def vet_by_hand(order: ExperimentOptions, stages: frozenset[int], backends: Backends = BACKENDS) -> int:
    """Run the stages on every trait; 2 when something could not be judged."""
    settings = order.settings()
    work = order.jobs(settings)
    with RunDisplay() as screen, prepared(settings, work, screen, backends=backends) as workshop:
        for job in work:
            screen.add_trait(job.trait.id, len(job.dataset.pairs))
        try:
            return worst([_vet(workshop, job, stages, screen) for job in work])
        except Interrupted as error:
            screen.print(f"{error} What was bought is stored; the same command goes on.")
            return EXIT_CODES[error.ending]


def _vet(workshop: RunContext, job: TraitJob, stages: frozenset[int], screen: RunDisplay) -> int:
    trait, unjudged = job.trait.id, 0
    scenarios = [side for pair in job.dataset.pairs for side in pair.sides]
    completions = [_NOTHING] * len(scenarios)
    with Ledger(job.folder.ledger_path) as ledger:
        context = workshop.context(job, ledger, lambda what: screen.stage(trait, what))
        if stages & {1, 2}:
            completions = greedy(context, scenarios)
            made = {s.key: c for s, c in zip(scenarios, completions, strict=True)}
            write_completions(workshop, job, job.dataset.pairs, made)
            screen.print(f"{trait}: {len(scenarios)} responses in {job.folder.responses}")
        for stage, which in ((0, Question.FORECAST), (2, Question.RESPONSE)):
            if stage in stages:
                findings = _judged(context, which, scenarios, completions)
                unjudged += _written(workshop, job, which, findings, screen)
    return _UNJUDGED if unjudged else 0


def _judged(
    context: StepContext, question: Question, scenarios: Sequence[Scenario], completions: Sequence[Completion]
) -> list[Finding]:
    """One question about every scenario, each adverse answer asked again in another wording."""
    asked = [JudgeQuestion(question, s, c) for s, c in zip(scenarios, completions, strict=True)]
    tallies = collect_votes(context, [Ballot.at(Depth.FIRST, one) for one in asked])
    return [_finding(one, tally) for one, tally in zip(asked, tallies, strict=True)]


def _finding(asked: JudgeQuestion, tally: Tally) -> Finding:
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


def _written(
    workshop: RunContext, job: TraitJob, question: Question, findings: Sequence[Finding], screen: RunDisplay
) -> int:
    """Write the scores, tell their summary, and return how many are unjudged."""
    which: Stage = "scenario" if question is Question.FORECAST else "response"
    by_key = {finding.key: finding for finding in findings}
    examined = SetFindings(job.dataset.pairs, by_key, job.trait.definition, workshop.settings.rules, job.trait.mode)
    path = write_scores(job.folder, which, examined)
    outcomes = [(f.polarity, f.scenario if which == "scenario" else f.response) for f in findings]
    unjudged = sum(outcome is Outcome.UNJUDGED for _, outcome in outcomes)
    passed = {p: outcomes.count((p, Outcome.PASS)) for p in Polarity}
    total = len(job.dataset.pairs)
    told = ", ".join(f"{n} of {total} {polarity}" for polarity, n in passed.items())
    screen.print(f"{job.trait.id}: {which} check: {told} pass, {unjudged} could not be judged; {path}")
    return unjudged


_NAMES = {Outcome.FAIL: "failed", Outcome.UNJUDGED: "unjudged"}
_TAIL = 70  # characters of a prefix that are shown before the boundary
_WORDS = 5


def tell_failures(order: ExperimentOptions) -> int:
    """Failed and unjudged items of each vetting file, with their texts. Raises LayoutError where there is none."""
    return _each(order, _failures)


def tell_first_tokens(order: ExperimentOptions, count: int) -> int:
    """The end of each prefix, the boundary ¦, the first tokens, the verdict. Raises LayoutError without responses."""
    return _each(order, lambda place: _first_tokens(place, count))


def _each(order: ExperimentOptions, told: Callable[[ExperimentFolder], Iterator[str]]) -> int:
    """What the files of each trait tell; where there are several, each under its name, and of some there may be none.

    Raises LayoutError when there is nothing to tell of any.
    """
    settings = order.settings()
    places = [ExperimentFolder(settings.experiment, trait, settings.variant) for trait in settings.traits]
    screen, missing = RunDisplay(), []
    for place in places:
        try:
            lines = list(told(place))
        except LayoutError as error:
            missing.append(str(error))
            continue
        screen.print(*([f"{place.trait}:"] if len(places) > 1 else []), *lines)
    if len(missing) == len(places):
        raise LayoutError("\n".join(missing))
    if missing:
        screen.print(*missing)
    return 0


def _failures(place: ExperimentFolder) -> Iterator[str]:
    paths = [place.vetting / name for name in ("scenario_scores.json", "response_scores.json", "first_token.json")]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise LayoutError(f"There are no scores in {place.vetting} yet. Make them with `cliffhanger vet`.")
    texts = _texts(place)
    for path in found:
        lines = _failed(path, texts)
        yield f"{path.name}: {len(lines) or 'nothing'} failed or unjudged"
        yield from (f"  {line}" for line in lines)


def _texts(place: ExperimentFolder) -> dict[Polarity, tuple[Response, ...]]:
    """The set that the files are about, where it has been continued."""
    return {p: read_responses(place.responses_of(p)) for p in Polarity if place.responses_of(p).is_file()}


def _failed(path: Path, texts: Mapping[Polarity, tuple[Response, ...]]) -> list[str]:
    rows = _first_token_rows(path) if path.name == "first_token.json" else _score_rows(path)
    lines = []
    for polarity, idx, outcome, why, scenario in rows:
        if outcome in _NAMES:
            row = texts.get(polarity, ())[idx : idx + 1]
            text = f"{row[0].prompt}¦{row[0].response}" if row else scenario or ""
            lines.append(f"{polarity} {idx} {_NAMES[outcome]} ({why}): {text}")
    return lines


ResultRow = tuple[Polarity, int, Outcome, str, str | None]


def _score_rows(path: Path) -> list[ResultRow]:
    rows = read_scores(path).rows
    return [(r.polarity, r.idx, r.outcome, "-" if r.score is None else f"{r.score:.0f}", r.scenario) for r in rows]


def _first_token_rows(path: Path) -> list[ResultRow]:
    return [
        (Polarity(row["polarity"]), int(row["idx"]), Outcome(row["outcome"]), str(row["verdict"] or "-"), None)
        for row in _results(path)
    ]


def _results(path: Path) -> list[dict[str, Any]]:
    """The rows of our own first_token.json. Raises LayoutError when it is not ours."""
    content = read_json(path)
    rows = content.get("results") if isinstance(content, dict) else None
    keys = {"idx", "polarity", "outcome", "verdict", "opening"}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
        raise LayoutError(f"{path} is not a first-token file of this program. Make it with `cliffhanger run`.")
    return rows


def _first_tokens(place: ExperimentFolder, count: int) -> Iterator[str]:
    texts = {polarity: read_responses(place.responses_of(polarity)) for polarity in Polarity}
    tested = _tested(place)
    if not tested:
        yield f"No first-token test yet (`cliffhanger run --diagnostic`): the first {_WORDS} words are shown."
    for polarity, rows in texts.items():
        for idx, row in enumerate(rows[:count]):
            opening, verdict = tested.get((polarity, idx), (None, ""))
            if opening is None or not row.response.startswith(opening):
                opening, verdict = _first_words(row.response), ""
            yield f"{polarity} {idx}: …{row.prompt[-_TAIL:]}¦{opening}¦ {verdict}".rstrip()


def _tested(place: ExperimentFolder) -> dict[tuple[Polarity, int], tuple[str | None, str]]:
    """(first k tokens, verdict) of each item that was tested."""
    path = place.vetting / "first_token.json"
    rows = _results(path) if path.is_file() else []
    return {
        (Polarity(row["polarity"]), int(row["idx"])): (row["opening"], str(row["verdict"] or "unjudged"))
        for row in rows
    }


def _first_words(response: str) -> str:
    """The first five words, with the blank before them where there is one."""
    lead = " " if response[:1].isspace() else ""
    return lead + " ".join(response.split()[:_WORDS])
