"""Models of every value that moves between layers or is stored. Frozen, strict, unknown fields forbidden."""

from agent.schema.decisions import Act, Decision, Moment
from agent.schema.history import (
    EXIT_CODES,
    Audit,
    CampaignBasis,
    Candidate,
    Change,
    Confirm,
    Draft,
    Ending,
    History,
    Move,
    Park,
    Recheck,
    Repair,
    Round,
    Rung,
    Stop,
    Usage,
    add_costs,
    canonical_lines,
)
from agent.schema.judging import (
    ADVICE,
    Controls,
    Depth,
    Finding,
    Flip,
    JudgeNoise,
    Outcome,
    Question,
    Tally,
    Verdict,
    Vote,
    VoteOutcome,
    WordingDisagreement,
    commonest_error,
    gating_questions,
    needed_questions,
)
from agent.schema.pairs import (
    Completion,
    Flag,
    FrozenModel,
    Mode,
    NegativeTest,
    Opener,
    Pair,
    Polarity,
    Sampling,
    Scenario,
    Trait,
    digest,
    split_ending,
)
from agent.schema.requests import AUTHOR_NOTE, ErrorKind, Reply, Request, Role, Score, Shape, kind_of
from agent.schema.rules import BudgetConfig, Caps, Count, Criterion, Plan, Rules, Signals, UsageLimits
