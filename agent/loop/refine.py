"""The story: decide, act, examine, record. Each round is on disk before the next begins."""

from collections.abc import Generator

from agent.loop.act import act, look
from agent.loop.policy import next_move, parking
from agent.loop.self_check import self_check
from agent.loop.standing import after, standing
from agent.loop.tools import Tools
from agent.schema import History, Round, Stop


def refine(tools: Tools) -> Generator[Round, None, Stop]:
    """One trait, from what exists to a set a human can approve. Yields each recorded round; returns why it stopped."""
    history = tools.ledger.history(tools.campaign)
    while not isinstance(move := next_move(history, tools.plan, tools.signals()), Stop):
        tools.ledger.start_round(tools.campaign, len(history) + 1)
        done = act(move, history, tools)
        done = look(done, history, tools)
        done = self_check(done, history, tools)
        done = settle(done, history, tools)
        tools.ledger.append(tools.campaign, done)
        history = (*history, done)
        yield done
    return move


def settle(done: Round, history: History, tools: Tools) -> Round:
    """The round with its bill, and with those pairs parked that cannot be decided here."""
    parked = parking(after(standing(history), done))
    return done.model_copy(update={"parked": parked, "cost": tools.ledger.cost(tools.campaign, done.number)})
