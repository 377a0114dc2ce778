"""What follows from each way a run can end: what the same command does next, and what makes it go on."""

from collections.abc import Mapping
from typing import NamedTuple

from agent.schema import Cause, Ending, Stop


class EndingGuide(NamedTuple):
    """One way to end: its ending, a name, what the same command does next, and what to do.

    `next_step` may contain {where} the pairs are shown, and {review}, {apply} and {resume}, commands to type.
    """

    ending: Ending
    name: str
    same_command: str
    next_step: str


_AT_ONCE = "It ends at once, for the same reason."
_GOES_ON = "It goes on from the last recorded round."
_AGAIN = "It repeats the round that failed."
_DECIDE = "with {review}, then write the approved ones with {apply}. The dataset is unchanged until then."
_ANEW = "which starts a new campaign and reuses stored answers"

ENDING_GUIDES: Mapping[Cause, EndingGuide] = {
    Cause.AUDITED: EndingGuide(
        Ending.READY,
        "every pair is confirmed and audited",
        "It ends at once: the set is ready. Decisions, a changed dataset or a higher `--target` make it go on.",
        f"Read the changed and added pairs {{where}}, decide on them {_DECIDE}",
    ),
    Cause.PARKED: EndingGuide(
        Ending.READY_WITH_PARKED,
        "the judge was undecided about some pairs",
        "It ends at once: the parked pairs wait for you. What you decide makes it go on.",
        f"Decide on the parked, changed and added pairs {_DECIDE}",
    ),
    Cause.PARKED_UNANSWERED: EndingGuide(
        Ending.READY_WITH_PARKED,
        "some pairs lack an answer",
        "It asks the pairs again that lack an answer.",
        "Rerun the command to ask the pairs again that lack an answer, or decide on the parked, changed and added "
        f"pairs {_DECIDE}",
    ),
    Cause.ROUNDS: EndingGuide(
        Ending.CAP, "rounds", _AT_ONCE, "Rerun the command with a higher --max-rounds; it goes on from there."
    ),
    Cause.PAIRS: EndingGuide(
        Ending.CAP,
        "drafted pairs",
        _AT_ONCE,
        "Rerun the command with a higher --max-pairs, or with a lower --target; it goes on from there.",
    ),
    Cause.USAGE: EndingGuide(
        Ending.CAP,
        "dollars, calls or tokens",
        _AT_ONCE,
        "Rerun the command with a higher limit than the one named above (--max-usd, --max-calls, or [budget] in "
        "refine.toml); it goes on from there.",
    ),
    Cause.MINUTES: EndingGuide(
        Ending.CAP, "minutes", _AT_ONCE, "Rerun the command with a higher --max-minutes; it goes on from there."
    ),
    Cause.PILOT: EndingGuide(
        Ending.NOT_READY,
        "the pilot mostly fails and no longer rises",
        _AT_ONCE,
        f"Sharpen definition.txt, or use another judge, author or subject, {_ANEW}. To continue this campaign as it "
        "is, rerun the command with --resume-anyway.",
    ),
    Cause.UNRELIABLE: EndingGuide(
        Ending.NOT_READY,
        "the judge's wordings disagree too often",
        _AT_ONCE,
        f"Use another judge, or sharpen definition.txt, {_ANEW}. To continue without this check, rerun the command "
        "with --resume-anyway.",
    ),
    Cause.CONTROLS: EndingGuide(
        Ending.NOT_READY,
        "the judge does not tell committed texts from open ones",
        _AT_ONCE,
        f"Use another judge, {_ANEW}. To continue without this check, rerun the command with --min-control-auc 0 or "
        "--resume-anyway.",
    ),
    Cause.UNDECIDED: EndingGuide(
        Ending.NOT_READY,
        "the judge is undecided about too many pairs",
        _AT_ONCE,
        f"Sharpen definition.txt, or use another judge, {_ANEW}. To decide on these pairs yourself and continue with "
        "the others, rerun the command with --resume-anyway.",
    ),
    Cause.UNANSWERED: EndingGuide(
        Ending.NOT_READY,
        "too many pairs lack an answer",
        "It asks these pairs again.",
        "See above why the judge could not be read, mend that, then rerun the command: it asks these pairs again.",
    ),
    Cause.PATIENCE: EndingGuide(
        Ending.NOT_READY,
        "nothing improves",
        _AT_ONCE,
        f"Sharpen definition.txt, or use another author or judge, {_ANEW}. To continue this campaign as it is, rerun "
        "the command with a higher --patience or with --resume-anyway.",
    ),
    Cause.DRAFTS: EndingGuide(
        Ending.NOT_READY,
        "the author adds nothing",
        _AT_ONCE,
        f"Use another author, or change definition.txt, {_ANEW}. To have it draft again as it is, rerun the command "
        "with --resume-anyway; with a lower --target the set needs fewer drafts.",
    ),
    Cause.ERROR: EndingGuide(
        Ending.ERROR,
        "a file, the disk, the ledger or the subject",
        _AGAIN,
        "Remove the cause named above, then rerun the command; it repeats the round that failed.",
    ),
    Cause.OUTAGE: EndingGuide(
        Ending.ENDPOINT,
        "an endpoint stayed unavailable",
        "It waits for the endpoint, for up to `--max-pause` minutes, then goes on.",
        "Restore the endpoint, then rerun the command. Completed calls are saved.",
    ),
    Cause.ACCOUNT: EndingGuide(
        Ending.ENDPOINT,
        "the key is refused or the account is empty",
        _AGAIN,
        "Correct the key or top up the account, then rerun the command. Completed calls are saved.",
    ),
    Cause.UNREADABLE: EndingGuide(
        Ending.ENDPOINT,
        "most answers cannot be read",
        "It asks again what could not be read.",
        "Mend the server or name another model as said above, then rerun the command. What could be read is saved.",
    ),
    Cause.STALLED: EndingGuide(
        Ending.STALLED,
        "no step for twenty minutes",
        _GOES_ON,
        "Rerun the command; it goes on from the last recorded round.",
    ),
    Cause.SIGNAL: EndingGuide(
        Ending.STOPPED,
        "Ctrl-C or SIGTERM",
        _GOES_ON,
        "Rerun the command; it goes on from the last recorded round.",
    ),
    Cause.STOP_FILE: EndingGuide(
        Ending.STOPPED,
        "`cliffhanger stop`, or a file named STOP",
        "It is not started while the file is there.",
        "Withdraw the stop request with {resume}, then rerun the command; it goes on from the last recorded round.",
    ),
    Cause.UNTIL: EndingGuide(
        Ending.STOPPED,
        "the time given with `--until`",
        "It goes on until that time of the next day; a date in the past is refused.",
        "Rerun the command, with a later --until if it names a date; it goes on from the last recorded round.",
    ),
    Cause.BUG: EndingGuide(
        Ending.BUG,
        "an error of the program",
        _AGAIN,
        "Report refinement/error.log. Rerun the command to repeat the round that failed.",
    ),
}

# Of proposals that older versions wrote without a cause.
_USUAL = {
    Ending.READY: Cause.AUDITED,
    Ending.READY_WITH_PARKED: Cause.PARKED,
    Ending.CAP: Cause.USAGE,
    Ending.NOT_READY: Cause.PATIENCE,
    Ending.ERROR: Cause.ERROR,
    Ending.ENDPOINT: Cause.OUTAGE,
    Ending.STALLED: Cause.STALLED,
    Ending.STOPPED: Cause.SIGNAL,
    Ending.BUG: Cause.BUG,
}


def cause_of(stop: Stop) -> Cause:
    """Why a run ended; where an older version did not record it, the most usual cause of such an ending."""
    return stop.cause or _USUAL[stop.ending]


def next_step(
    stop: Stop,
    where: str,
    review: str = "`cliffhanger review`",
    apply: str = "`cliffhanger apply`",
    resume: str = "`cliffhanger resume`",
) -> str:
    """What to do after a run ended this way. `where` the pairs are found; the others are commands to type."""
    guide = ENDING_GUIDES[cause_of(stop)]
    return guide.next_step.format(where=where, review=review, apply=apply, resume=resume)
