"""Models of every value that moves between layers or is stored. Frozen, strict, unknown fields forbidden."""

from agent.schema.decisions import Act, Decision, Moment
from agent.schema.endings import EXIT_CODES, Cause, Ending, Stop
from agent.schema.history import (
    Audit,
    CampaignBasis,
    Candidate,
    Change,
    Confirm,
    Draft,
    History,
    Move,
    Park,
    Recheck,
    Repair,
    Resume,
    Round,
    Rung,
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
)
from agent.schema.pairs import (
    OTHER_SIDE,
    Completion,
    Flag,
    FrozenModel,
    Mode,
    Nature,
    NegativeTest,
    Opener,
    Pair,
    Polarity,
    Sampling,
    Scenario,
    Trait,
    digest,
)
from agent.schema.requests import AUTHOR_NOTE, ErrorKind, Reply, Request, Role, Score, Shape, kind_of
from agent.schema.rules import BudgetConfig, Caps, Count, Criterion, Plan, Rules, Signals, UsageLimits
from agent.schema.segmentation import (
    OPENING_MARKS,
    UNSPACED,
    first_words,
    is_complete,
    is_unfinished,
    joint,
    last_words,
    opens_quotation,
    quotation_starts,
    split_ending,
    unit_starts,
    units,
    word_count,
    word_parts,
)
