"""The review page put together and served: on this machine alone, until Ctrl-C."""

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from shlex import join

import typer
import uvicorn

from agent.cli.desks import places
from agent.cli.orders import Order
from agent.cli.screen import Screen
from agent.cli.trouble import Refusal
from agent.review.apply import Plan, plan_changes, undo, write
from agent.review.desk import Desk
from agent.review.laying import lay_out
from agent.review.web.app import create_app
from agent.review.web.safety import is_loopback, new_token
from agent.review.web.writing import Writer


def serve_review(
    desks: Sequence[Desk],
    order: Order,
    host: str = "127.0.0.1",
    port: int = 0,
    show: bool = True,
    doing: Callable[[], str] = lambda: "",
) -> int:
    """Serve the review of these desks until Ctrl-C. Port 0 takes a free one.

    `doing` says what a recheck that goes on is doing. Raises Refusal where the port cannot be had.
    """
    screen, token = Screen(), new_token()
    with closing(_bound(host, port)) as listening:
        address = f"http://{_named(host)}:{listening.getsockname()[1]}/{token}/"
        app = create_app(desks, token, writer_of(desks, order), hosts=_names(host), doing=doing)
        screen.say("The review is at", address, "Whoever has this address can decide: keep it to yourself.")
        if not is_loopback(host):
            screen.say("Other machines can reach it, and what they send is not encrypted.")
        screen.say("Decisions are stored at once. Ctrl-C ends the review.")
        if show and typer.launch(address):
            screen.say("No browser could be started: open the address yourself.")
        server = uvicorn.Server(
            # The access log would hold the token; what a proxy claims about a request is not to be believed here.
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="off",
            )
        )
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            screen.say("The review has ended. What you decided is stored.")
    return 0


def writer_of(desks: Sequence[Desk], order: Order) -> Writer:
    """What `cliffhanger apply` does, for these desks: it goes by the proposals that the page shows."""
    of = {place.trait: place for place in places(order, order.settings())}
    seats = {desk.proposal.trait: desk for desk in desks}

    def planned(trait: str) -> Plan:
        dataset, desk = of[trait].bound.dataset(), seats[trait]
        cards = lay_out(desk.proposal, dataset.pairs, desk.log.read().decisions)
        return plan_changes(of[trait].bound.folder, dataset, cards)

    return Writer(
        plan=planned,
        write=lambda plan: write(plan, of[plan.trait].folder.refinement),
        undo=lambda trait: undo(of[trait].bound.folder, of[trait].folder.refinement),
        command=lambda trait: _command(order, trait),
    )


def _command(order: Order, trait: str) -> str:
    words = ["cliffhanger", "apply", "--experiment", str(order.experiment), "--traits", trait]
    if order.variant is not None:
        words += ["--model-variant", order.variant]
    if order.pair_by_similarity:
        words.append("--pair-by-similarity")
    return join(words)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that takes connections at once, so that a browser may come before the server is up."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
    except OSError as error:
        raise Refusal(
            f"The review cannot be served at {host}, port {port}: {error.strerror or error}. Try another --port."
        ) from error
    return made


def _named(host: str) -> str:
    """A host as it stands in an address; for "every own address" the machine's name."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _names(host: str) -> set[str]:
    """The names under which the page may be asked for besides this machine's own."""
    return (
        {host, _named(host).strip("[]"), socket.gethostname(), socket.getfqdn()} - {""}
        if not is_loopback(host)
        else set()
    )
