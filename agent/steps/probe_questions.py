"""Questions of a run for the probe: one of each shape and role, as the run will ask them, with a second in reserve."""

from agent.schema import Completion, Polarity, Question, Request, Scenario, gating_questions
from agent.steps.context import StepContext
from agent.steps.examine import span_request
from agent.steps.flip_test import openers_request
from agent.steps.questions import AUDIT, WORDINGS, JudgeQuestion, request

_COMPLETION = Completion(text=" looked at the door and waited.", token_ids=(), opening=" looked at the door")


def probe_questions(context: StepContext, scenario: Scenario) -> list[Request]:
    """Requests about a scenario to judge, auditor and author: a score, a choice where the mode has one, and JSON."""
    asked = [Question.FORECAST]
    asked += [q for q in gating_questions(context.trait.mode) if q is Question.VERDICT]
    of_scenario = [JudgeQuestion(question, scenario, _COMPLETION) for question in asked]
    return [
        *(request(context, one, wording, 0) for one in of_scenario for wording in (*WORDINGS[:2], AUDIT)),
        span_request(context, scenario, _COMPLETION, 0),
        openers_request(context, Polarity.POSITIVE),
    ]
