"""Questions of the first-token test: their requests, and how a reply becomes a vote."""

from dataclasses import dataclass

from agent.schema import (
    Completion,
    Criterion,
    NegativeTest,
    Polarity,
    Question,
    Reply,
    Request,
    Role,
    Scenario,
    Shape,
    Vote,
    first_words,
)
from agent.steps.context import StepContext

WORDINGS = ("a", "b", "c")
AUDIT = "audit"
EXPRESS, EXPLAIN, NEITHER = CHOICES = ("EXPRESS", "EXPLAIN", "NEITHER")

_PROMPT = {
    Question.FORECAST: "forecast",
    Question.RESPONSE: "response",
    Question.OPENING: "response",
    Question.VERDICT: "verdict",
    Question.C0: "commitment",
    Question.C5: "commitment",
    Question.CL: "commitment",
}


@dataclass(frozen=True)
class JudgeQuestion:
    """One question about one scenario and one of its completions."""

    question: Question
    scenario: Scenario
    completion: Completion


def request(context: StepContext, asked: JudgeQuestion, wording: str, sample: int) -> Request:
    """The request for one vote. Sample 0 is asked at temperature 0, later samples at temperature 1."""
    role = Role.AUDITOR if wording == AUDIT else Role.JUDGE
    prompt = context.prompts.render(f"{_PROMPT[asked.question]}.{wording}", **_variables(context, asked, role))
    is_choice = asked.question is Question.VERDICT
    return Request(
        role=role,
        shape=Shape.CHOICE if is_choice else Shape.NUMBER,
        options=CHOICES if is_choice else (),
        prompt=prompt.text,
        prompt_id=prompt.id,
        temperature=1.0 if sample else 0.0,
        sample=sample,
        thresholds=() if is_choice else (_criterion(context, asked.question, asked.scenario.polarity).threshold,),
    )


def _variables(context: StepContext, asked: JudgeQuestion, role: Role) -> dict[str, object]:
    scenario, completion, trait = asked.scenario, asked.completion, context.trait
    shared = {"definition": trait.definition, "scale": context.scales[role]}
    two_sided = trait.negative_test is NegativeTest.OPPOSITE
    pole = trait.opposite if two_sided else ""
    match asked.question:
        case Question.FORECAST:
            return {**shared, "opposite": trait.opposite, "two_sided": two_sided, "text": scenario.text}
        case Question.RESPONSE:
            first = first_words(completion.text, context.rules.response_words)
            return {**shared, "opposite": pole, "completion": first}
        case Question.OPENING:
            return {**shared, "opposite": pole, "completion": completion.opening}
        case Question.VERDICT:
            return {
                "definition": trait.definition,
                "behaviour": context.behaviour(Polarity.POSITIVE),  # the same on both sides: either one expresses
                "contrary": context.contrary(Polarity.POSITIVE),
                "prefix": scenario.text,
                "opening": completion.opening,
            }
    after = {Question.C0: "", Question.C5: completion.opening, Question.CL: completion.text}[asked.question]
    return {**shared, "behaviour": context.behaviour(scenario.polarity), "text": scenario.text + after}


def _criterion(context: StepContext, question: Question, polarity: Polarity) -> Criterion:
    return context.rules.criterion(question, context.trait.mode, polarity)


def favours(context: StepContext, question: Question, polarity: Polarity, score: float) -> bool:
    """Whether a score favours the scenario."""
    if question in (Question.C5, Question.CL) and context.trait.negative_test.is_met_by_absence(polarity):
        return True
    return _criterion(context, question, polarity).met_by(score)


def read_vote(context: StepContext, asked: JudgeQuestion, wording: str, sample: int, reply: Reply) -> Vote:
    """The vote of a reply. An unreadable reply is a vote that favours neither side and holds the error."""
    if asked.question is Question.VERDICT and reply.choice:
        choice = max(reply.choice, key=lambda option: option[1])[0]
        return Vote(
            wording=wording,
            sample=sample,
            favourable=choice == EXPRESS,
            choice=choice,
            probabilities=reply.choice,
            answers=reply.answers,
        )
    if asked.question is not Question.VERDICT and reply.score is not None:
        favourable = favours(context, asked.question, asked.scenario.polarity, reply.score.value)
        return Vote(
            wording=wording, sample=sample, favourable=favourable, score=reply.score.value, answers=reply.answers
        )
    return Vote(wording=wording, sample=sample, favourable=None, answers=reply.answers, error=reply.error or "unread")
