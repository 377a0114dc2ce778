"""Manual steps of the guide: vetting stages 0, 1 and 2, and listings of failures and first tokens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.app.composition import BACKENDS, Backends, RunContext, TraitJob
from agent.app.outputs import advice_after, write_completions
from agent.app.preflight import open_context
from agent.app.run import ExperimentOptions
from agent.errors import Interrupted, UserError, worst
from agent.review.proposal import PROPOSAL, read_proposal
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
    first_words,
)
from agent.steps.context import StepContext
from agent.steps.questions import JudgeQuestion
from agent.steps.vet import greedy
from agent.steps.voting import Ballot, collect_votes
from agent.storage.experiment import ExperimentFolder, LayoutError, Response, read_json, read_responses
from agent.storage.ledger import Ledger
from agent.storage.vetting_files import UNJUDGED, SetFindings, Stage, read_scores, write_scores
from agent.supervision.display import RunDisplay

_UNJUDGED = 2  # exit code
_OUTCOME = {VoteOutcome.FAVOURABLE: Outcome.PASS, VoteOutcome.ADVERSE: Outcome.FAIL}
_NO_COMPLETION = Completion(text="", token_ids=(), opening="")


def stages_of(listed: str, vet_scenarios: bool) -> frozenset[int]:
    """Parse --only-stage. Raises UserError for an unknown stage."""
    names = {name.strip() for name in listed.split(",") if name.strip()}
    if not names or names - {"0", "1", "2"}:
        raise UserError(f"--only-stage {listed!r}: unknown stage. Use 0, 1 and 2, separated by commas.")
    return frozenset(map(int, names)) | (frozenset({0}) if vet_scenarios else frozenset())


def vet(options: ExperimentOptions, stages: frozenset[int], backends: Backends = BACKENDS) -> int:
    """Run the stages on every trait; returns 2 when something could not be judged."""
    settings = options.settings()
    jobs = options.jobs(settings)
    with RunDisplay() as display, open_context(settings, jobs, display.print, backends=backends) as context:
        for job in jobs:
            display.add_trait(job.trait.id, len(job.dataset.pairs))
        try:
            return worst([_vet(context, job, stages, display) for job in jobs])
        except Interrupted as error:
            display.print(advice_after(error))
            return EXIT_CODES[error.ending]


def _vet(run: RunContext, job: TraitJob, stages: frozenset[int], display: RunDisplay) -> int:
    trait, unjudged = job.trait.id, 0
    scenarios = [side for pair in job.dataset.pairs for side in pair.sides]
    completions = [_NO_COMPLETION] * len(scenarios)
    with Ledger(job.folder.ledger_path) as ledger:
        context = run.context(job, ledger, lambda what: display.stage(trait, what))
        if stages & {1, 2}:
            completions = greedy(context, scenarios)
            made = {s.key: c for s, c in zip(scenarios, completions, strict=True)}
            write_completions(run, job, job.dataset.pairs, made)
            display.print(f"{trait}: {len(scenarios)} responses in {job.folder.responses}")
        for stage, which in ((0, Question.FORECAST), (2, Question.RESPONSE)):
            if stage in stages:
                findings = _ask_each(context, which, scenarios, completions)
                unjudged += _write_findings(run, job, which, findings, display)
    return _UNJUDGED if unjudged else 0


def _ask_each(
    context: StepContext, question: Question, scenarios: Sequence[Scenario], completions: Sequence[Completion]
) -> list[Finding]:
    """Ask one question about every scenario; an adverse answer is asked again in another wording."""
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


def _write_findings(
    run: RunContext, job: TraitJob, question: Question, findings: Sequence[Finding], display: RunDisplay
) -> int:
    """Write the scores, print their summary, and return the number of unjudged items."""
    which: Stage = "scenario" if question is Question.FORECAST else "response"
    by_key = {finding.key: finding for finding in findings}
    examined = SetFindings(job.dataset.pairs, by_key, job.trait.definition, run.settings.rules, job.trait.mode)
    path = write_scores(job.folder, which, examined)
    outcomes = [(f.polarity, f.scenario if which == "scenario" else f.response) for f in findings]
    unjudged = sum(outcome is Outcome.UNJUDGED for _, outcome in outcomes)
    passed = {p: outcomes.count((p, Outcome.PASS)) for p in Polarity}
    total = len(job.dataset.pairs)
    counts = ", ".join(f"{n} of {total} {polarity}" for polarity, n in passed.items())
    display.print(f"{job.trait.id}: {which} check: {counts} pass, {unjudged} could not be judged; {path}")
    return unjudged


_OUTCOME_NAMES = {Outcome.FAIL: "failed", Outcome.UNJUDGED: "unjudged"}
_TAIL = 70  # characters of a prefix that are shown before the boundary
_WORDS = 5


def print_failures(options: ExperimentOptions) -> int:
    """Print the failed and unjudged items of each vetting file. Raises LayoutError if there is no file."""
    return _print_each(options, _failures)


def print_first_tokens(options: ExperimentOptions, count: int) -> int:
    """Print the end of each prefix, ¦, the first tokens and the verdict. Raises LayoutError without responses."""
    return _print_each(options, lambda place: _first_tokens(place, count))


def _print_each(options: ExperimentOptions, lines_of: Callable[[ExperimentFolder], Iterator[str]]) -> int:
    """Print lines for each trait, under its name where there are several.

    Raises LayoutError when no trait has files.
    """
    settings = options.settings()
    places = [ExperimentFolder(settings.experiment, trait, settings.variant) for trait in settings.traits]
    display, missing = RunDisplay(), []
    for place in places:
        try:
            lines = list(lines_of(place))
        except LayoutError as error:
            missing.append(str(error))
            continue
        display.print(*([f"{place.trait}:"] if len(places) > 1 else []), *lines)
    if len(missing) == len(places):
        raise LayoutError("\n".join(missing))
    if missing:
        display.print(*missing)
    return 0


def _failures(place: ExperimentFolder) -> Iterator[str]:
    paths = [place.vetting / name for name in ("scenario_scores.json", "response_scores.json", "first_token.json")]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise LayoutError(f"There are no scores in {place.vetting} yet. Create them with `cliffhanger vet`.")
    texts = _texts(place)
    for path in found:
        lines = _failed(path, texts)
        yield f"{path.name}: {len(lines) or 'nothing'} failed or unjudged"
        yield from (f"  {line}" for line in lines)
    yield from _parked(place)


def _parked(place: ExperimentFolder) -> Iterator[str]:
    """The pairs that the last run parked, with the reason; they are in no vetting file."""
    try:
        parked = read_proposal(place.refinement / PROPOSAL).those("parked")
    except LayoutError:  # no run has ended yet
        return
    if parked:
        yield f"{PROPOSAL}: {len(parked)} parked"
    yield from (f"  {change.pair} parked ({change.why})" for change in parked)


def _texts(place: ExperimentFolder) -> dict[Polarity, tuple[Response, ...]]:
    """The responses of both sides, where they exist."""
    return {p: read_responses(place.responses_of(p)) for p in Polarity if place.responses_of(p).is_file()}


def _failed(path: Path, texts: Mapping[Polarity, tuple[Response, ...]]) -> list[str]:
    rows = _first_token_rows(path) if path.name == "first_token.json" else _score_rows(path)
    lines = []
    for polarity, idx, outcome, why, scenario in rows:
        if outcome in _OUTCOME_NAMES:
            row = texts.get(polarity, ())[idx : idx + 1]
            text = f"{row[0].prompt}¦{row[0].response}" if row else scenario or ""
            lines.append(f"{polarity} {idx} {_OUTCOME_NAMES[outcome]} ({why}): {text}")
    return lines


ResultRow = tuple[Polarity, int, Outcome, str, str | None]


def _score_rows(path: Path) -> list[ResultRow]:
    rows = read_scores(path).rows
    why = [(r.error or "-") if r.score is None else f"{r.score:.0f}" for r in rows]
    return [(r.polarity, r.idx, r.outcome, w, r.scenario) for r, w in zip(rows, why, strict=True)]


def _first_token_rows(path: Path) -> list[ResultRow]:
    return [
        (Polarity(row["polarity"]), int(row["idx"]), Outcome(row["outcome"]), _reason(row), None)
        for row in _results(path)
    ]


def _reason(row: Mapping[str, Any]) -> str:
    """The verdict of an item; for an unjudged one what went wrong, where that is known."""
    diagnosis = str(row.get("diagnosis") or "")
    return str(row["verdict"] or diagnosis.removeprefix(UNJUDGED).strip() or "-")


def _results(path: Path) -> list[dict[str, Any]]:
    """The rows of first_token.json. Raises LayoutError when this program did not write it."""
    content = read_json(path)
    rows = content.get("results") if isinstance(content, dict) else None
    keys = {"idx", "polarity", "outcome", "verdict", "opening"}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
        raise LayoutError(f"{path} was not written by this program. Create it with `cliffhanger run`.")
    return rows


def _first_tokens(place: ExperimentFolder, count: int) -> Iterator[str]:
    texts = {polarity: read_responses(place.responses_of(polarity)) for polarity in Polarity}
    tested = _tested(place)
    if not tested:
        yield f"No first-token test yet (run `cliffhanger run --diagnostic`). Showing the first {_WORDS} words instead."
    for polarity, rows in texts.items():
        for idx, row in enumerate(rows[:count]):
            opening, verdict = tested.get((polarity, idx), (None, ""))
            if opening is None or not row.response.startswith(opening):
                opening, verdict = _first_words(row.response), ""
            yield f"{polarity} {idx}: …{row.prompt[-_TAIL:]}¦{opening}¦ {verdict}".rstrip()


def _tested(place: ExperimentFolder) -> dict[tuple[Polarity, int], tuple[str | None, str]]:
    """(first k tokens, verdict) of each tested item."""
    path = place.vetting / "first_token.json"
    rows = _results(path) if path.is_file() else []
    return {
        (Polarity(row["polarity"]), int(row["idx"])): (row["opening"], str(row["verdict"] or "unjudged"))
        for row in rows
    }


def _first_words(response: str) -> str:
    """The first five words, with the leading space if there is one."""
    lead = " " if response[:1].isspace() else ""
    return lead + " ".join(first_words(response, _WORDS).split())
