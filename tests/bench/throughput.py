"""Judge calls per second, 100 in flight over 50 ms: `python -m tests.bench.throughput [--calls N] [--profile]`.

Three clients take turns against one server in a process of its own: the plain client, the plain client on its aiohttp
transport, and the whole path (`LLMClient.ask_all` with a ledger on disk). CPU is that of this process, all threads.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import openai

from agent.llm.client import LLMClient
from agent.llm.endpoint import Capability, Endpoint
from agent.prompts import PromptBook
from agent.schema import Completion, Polarity, Question, Request, Role, Rules, Scenario, Trait
from agent.steps.context import StepContext
from agent.steps.questions import WORDINGS, JudgeQuestion, request
from agent.storage.ledger import Ledger
from tests.bench.spending import Spending, profiled

IN_FLIGHT = 100
LATENCY = 0.05  # seconds
MODEL = "gpt-4o-mini"
QUESTIONS = (Question.FORECAST, Question.RESPONSE, Question.C0, Question.C5, Question.CL)
DEFINITION = (
    "Declining to do what one is asked. Positive: the person who is asked says no, withholds what was wanted or walks "
    "away from the request, in words or by an act. Negative: the person does what is asked, hands it over, agrees. "
    "Hesitation, complaints and conditions are neither, as long as the matter stays open. Score only what the asked "
    "person does next, not what others do, and not how politely it is done. An excuse that leaves the request unmet "
    "counts as declining."
)


class Measured(NamedTuple):
    """One repetition of one contender."""

    per_second: float
    cpu_ms: float


Contender = Callable[[Sequence[Request]], None]


# The server: as little work per request as a correct reply takes.


def replies() -> list[bytes]:
    """A hundred and one whole HTTP replies, each with two positions of twenty alternatives, as providers send them."""
    return [_http(json.dumps(_reply(score)).encode()) for score in range(101)]


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _reply(score: int) -> dict[str, object]:
    content = [_position(str(score), [str((score + n) % 101) for n in range(20)])]
    return {
        "id": f"chatcmpl-Bx{score:027d}",
        "object": "chat.completion",
        "created": 1763900000 + score,
        "model": f"{MODEL}-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": str(score), "refusal": None, "annotations": []},
                "logprobs": {"content": content, "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 512, "completion_tokens": 1, "total_tokens": 513},
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
    }


def _position(token: str, tokens: Sequence[str]) -> dict[str, object]:
    top = [
        {
            "token": text,
            "logprob": -0.1053605156578263 - 0.7503221035003662 * (n + 3) * (n > 0),
            "bytes": list(text.encode()),
        }
        for n, text in enumerate(tokens)
    ]
    return {"token": token, "logprob": top[0]["logprob"], "bytes": list(token.encode()), "top_logprobs": top}


class Connection(asyncio.Protocol):
    """One kept-alive connection; each request is answered `LATENCY` seconds after its last byte."""

    bodies = itertools.cycle(replies())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if found and len(body) >= int(length or b"0"):
            self._received = b""
            asyncio.get_running_loop().call_later(LATENCY, self._transport.write, next(self.bodies))


async def serve() -> None:
    """Print the port, then answer until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server process that ends with the block."""
    command = [sys.executable, "-m", "tests.bench.throughput", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


# The questions


def questions(count: int) -> list[Request]:
    """Judge requests as the steps build them, each about a text of its own."""
    trait = Trait(
        id="chirp/refusal", definition=DEFINITION, opposite="Doing what one is asked to do, at once and whole."
    )
    context = StepContext(trait, Rules(), PromptBook.load(), _unused, _unused, {Role.JUDGE: "percent"})
    return [_question(context, number) for number in range(count)]


def _question(context: StepContext, number: int) -> Request:
    stem = (
        f"In the spring of the year {number} the old archivist asked Mara for the key to the reading room. She had "
        "locked it that morning, after the second theft, and the new rules on the door bore her own signature. He "
        "had walked up four floors with his case of slides and said that an hour would do. "
    )
    scenario = Scenario(polarity=Polarity.POSITIVE, stem=stem, ending="She looked at the signature, then at him, and")
    completion = Completion(
        text=f" shook her head. Rule {number} was hers, she said, and so were its consequences; he might return when",
        token_ids=tuple(range(20)),
        opening=" shook her head. The",
    )
    asked = JudgeQuestion(QUESTIONS[number % len(QUESTIONS)], scenario, completion)
    return request(context, asked, WORDINGS[number // len(QUESTIONS) % len(WORDINGS)], 0)


def _unused(*_: object) -> Any:
    raise AssertionError("the benchmark only builds requests")


# The contenders


def plain(url: str, aiohttp: bool) -> Contender:
    """The client as its manual shows it: gather over create, held to the same number in flight by a semaphore."""

    async def all_of(requests: Sequence[Request]) -> None:
        transport = openai.DefaultAioHttpClient() if aiohttp else None
        slots = asyncio.Semaphore(IN_FLIGHT)
        async with openai.AsyncOpenAI(api_key="none", base_url=url, http_client=transport) as client:
            contents = await asyncio.gather(*(_create(client, slots, one.prompt) for one in requests))
        assert all(contents)

    return lambda requests: asyncio.run(all_of(requests))


async def _create(client: openai.AsyncOpenAI, slots: asyncio.Semaphore, prompt: str) -> str | None:
    async with slots:
        reply = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": prompt}],
            temperature=0.0,
            seed=0,
            max_tokens=4,
            logprobs=True,
            top_logprobs=20,
        )
        return reply.choices[0].message.content


class WholePath:
    """`LLMClient.ask_all` with a new ledger each time; `last` says what its latest run spent its time on."""

    def __init__(self, url: str, folder: Path, profile: bool) -> None:
        endpoint = Endpoint(model=MODEL, base_url=url, concurrency=IN_FLIGHT, input_price=0.15, output_price=0.6)
        able = Capability(logprobs=True, scale="percent", structured="json_schema")
        self._llm = LLMClient({Role.JUDGE: endpoint}, known={Role.JUDGE: able})
        self._files = (folder / f"{number}.sqlite" for number in itertools.count())
        self._profile = profile
        self.last: Spending | None = None

    def __call__(self, requests: Sequence[Request]) -> None:
        with Ledger(next(self._files)) as ledger:
            if self._profile:
                self.last = profiled(lambda: self._ask(requests, ledger), len(requests))
            else:
                self._ask(requests, ledger)
            assert ledger.attempt_counts() == {"answered": len(requests)}

    def close(self) -> None:
        self._llm.close()

    def _ask(self, requests: Sequence[Request], ledger: Ledger) -> None:
        assert all(reply.score for reply in self._llm.ask_all(requests, ledger))


def measured(contender: Contender, requests: Sequence[Request]) -> Measured:
    """Calls per second, and milliseconds of CPU per call."""
    began, spent = time.perf_counter(), time.process_time()
    contender(requests)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return Measured(len(requests) / seconds, 1000 * cpu / len(requests))


# The table


def table(results: dict[str, list[Measured]]) -> str:
    """One line per contender: median and range of calls per second and CPU, and the ratio to the first contender."""
    first = next(iter(results.values()))
    lines = [f"{'':<26}{'calls/s':>18}{'CPU ms per call':>22}{'ratio':>18}"]
    for name, runs in results.items():
        ratios = [run.per_second / plain.per_second for run, plain in zip(runs, first, strict=True)]
        columns = [[run.per_second for run in runs], [run.cpu_ms for run in runs], ratios]
        cells = [_spread(column, digits) for column, digits in zip(columns, (0, 2, 2), strict=True)]
        lines.append(f"{name:<26}{cells[0]:>18}{cells[1]:>22}{cells[2]:>18}")
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}-{high})"


def main(calls: int, repetitions: int, ledgers: str | None, profile: bool) -> None:
    """All contenders in turn, so that whatever else the machine does hits each of them."""
    requests = questions(calls)
    with ExitStack() as stack:
        url = stack.enter_context(serving())
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=ledgers))
        whole = stack.enter_context(closing(WholePath(url, Path(folder), profile)))
        contenders: dict[str, Contender] = {
            "plain client": plain(url, aiohttp=False),
            "plain client on aiohttp": plain(url, aiohttp=True),
            "ask_all, ledger on disk": whole,
        }
        chosen = {"ask_all, ledger on disk": whole} if profile else contenders
        results: dict[str, list[Measured]] = {name: [] for name in chosen}
        for contender in chosen.values():
            contender(requests[: 2 * IN_FLIGHT])
        for _ in range(repetitions):
            for name, contender in chosen.items():
                results[name].append(measured(contender, requests))
        size = sum(len(one.prompt) for one in requests) // calls
        sys.stdout.write(f"{calls} calls of {size} characters, {IN_FLIGHT} in flight, {LATENCY * 1000:.0f} ms, ")
        sys.stdout.write(f"{repetitions} repetitions: median (range)\n{table(results)}\n")
        if whole.last:
            sys.stdout.write(f"\n{whole.last.table()}\n")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=3000)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--ledgers", help="a folder on the disk to be measured (default: the temporary folder)")
    options.add_argument("--profile", action="store_true", help="only our path, and where its CPU goes")
    options.add_argument("--serve", action="store_true", help="be the server")
    given = options.parse_args()
    if given.serve:
        asyncio.run(serve())
    else:
        main(given.calls, given.repetitions, given.ledgers, given.profile)
