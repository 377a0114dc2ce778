"""All errors that are sentences for the user rather than bugs."""

from agent.config import SettingsError
from agent.models.capability import ProbeError
from agent.models.weights import SubjectError
from agent.prompts import PromptError
from agent.record.experiment import LayoutError
from agent.record.layout import DatasetError
from agent.record.ledger import LedgerError


class Refusal(Exception):
    """A command cannot do what was asked; the message says why and what to do, one sentence per line."""


class EndpointDown(Exception):
    """An endpoint stopped answering in mid-run; only a human or time helps."""


TROUBLE: tuple[type[Exception], ...] = (
    Refusal,
    SettingsError,
    DatasetError,
    LayoutError,
    LedgerError,
    ProbeError,
    PromptError,
    SubjectError,
)
