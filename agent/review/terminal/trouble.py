"""What may go wrong at a desk in a way that a sentence explains."""

from agent.record.decisions import DecisionError
from agent.record.layout import DatasetError
from agent.review.desk import DeskError

TROUBLE: tuple[type[Exception], ...] = (DeskError, DecisionError, DatasetError)
