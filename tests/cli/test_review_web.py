"""`cliffhanger review --web`: the page's address is told, it is served until Ctrl-C, and only as far as was said."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.app import review
from agent.app.review import open_sessions
from agent.app.run import ExperimentOptions
from agent.errors import UserError
from tests.cli.finished_run import TRAIT, dataset_of, session_of
from tests.cli.scripted import tree
from tests.review.example import approve_unflagged

COMMAND = [sys.executable, "-c", "from agent.cli.main import main; main()"]


def test_the_command_tells_the_address_serves_it_and_ends_by_ctrl_c(folder: Path, repository: Path) -> None:
    before = tree(folder)
    options = ["review", "--web", "--no-open", "--no-recheck", "--experiment", str(folder)]
    environment = {**os.environ, "COLUMNS": "20", "PYTHONPATH": str(repository)}
    child = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert child.stdout
        found = None
        while found is None:
            line = child.stdout.readline()
            assert line, "it ended before it told its address"
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/[\w-]{32,}/)\n", line)
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", f"{found[2]}0/")
        answer = connection.getresponse()
        text = answer.read().decode()
        assert (answer.status, "d0003" in text, answer.getheader("server")) == (200, True, None)
        connection.request("GET", "/")
        assert connection.getresponse().status == 403
    finally:
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=30)
    assert (child.returncode, "Your decisions are stored" in output) == (0, True)
    assert tree(folder) == before


def test_a_port_that_is_taken_is_a_sentence(folder: Path) -> None:
    order = ExperimentOptions(folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}.*Try another --port"):
            review.serve_review(open_sessions(order, "ann"), order, port=port, open_browser=False)


def test_the_page_writes_what_its_sessions_approve_and_undoes_it(folder: Path) -> None:
    order, before = ExperimentOptions(folder, pair_by_similarity=True), tree(dataset_of(folder))
    sessions = open_sessions(order, "ann")
    writer = review.apply_actions(sessions, order)
    assert writer.plan(TRAIT).changes_nothing
    approve_unflagged(session_of(folder))
    plan = writer.plan(TRAIT)
    assert (plan.replaced, plan.added, plan.removed) == (1, 2, 0)
    assert tree(dataset_of(folder)) == before
    writer.write(plan)
    assert writer.plan(TRAIT).changes_nothing
    writer.undo(TRAIT)
    assert tree(dataset_of(folder)) == before
    assert writer.command(TRAIT) == f"cliffhanger apply --experiment {folder} --traits {TRAIT} --pair-by-similarity"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_this_machine_alone_no_other_name_is_answered_to(host: str) -> None:
    assert review._allowed_hosts(host) == set()


def test_an_address_for_other_machines_accepts_their_names() -> None:
    assert "lab.example" in review._allowed_hosts("lab.example")
    assert socket.gethostname() in review._allowed_hosts("::")
