"""All errors that are sentences for the user rather than bugs."""

from agent.config import SettingsError
from agent.models.capability import ProbeError
from agent.models.weights import SubjectError
from agent.prompts import PromptError
from agent.record.decisions import DecisionError
from agent.record.experiment import LayoutError
from agent.record.layout import DatasetError
from agent.record.ledger import LedgerError
from agent.review.annotation import ExchangeError
from agent.review.desk import DeskError
from agent.review.journal import ApplyError
from agent.schema import Ending


class Refusal(Exception):
    """A command cannot do what was asked; the message says why and what to do, one sentence per line."""


class Interrupted(Exception):
    """A round cannot go on just now: an endpoint is out, a cap is reached, a stop was asked for, or nothing moves.

    What was bought is stored; the round is not recorded, and the same command plays it again without buying twice.
    """

    def __init__(self, ending: Ending, why: str) -> None:
        super().__init__(why)
        self.ending = ending


TROUBLE: tuple[type[Exception], ...] = (
    Refusal,
    ApplyError,
    DecisionError,
    DeskError,
    ExchangeError,
    SettingsError,
    DatasetError,
    LayoutError,
    LedgerError,
    ProbeError,
    PromptError,
    SubjectError,
)
