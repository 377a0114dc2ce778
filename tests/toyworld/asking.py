"""How the tests of the toy endpoint ask it: the real prompts, over the ASGI transport."""

import asyncio
from typing import Any

import httpx2

from agent.prompts import PromptBook
from agent.toyworld.reader import TraitReader, shipped_lexicon
from agent.toyworld.server import ToySettings, create_app

BOOK = PromptBook.load()
READERS = shipped_lexicon().readers
REFUSAL, CONCEALMENT, GLOOM = (READERS[name] for name in ("refusal", "concealment", "gloom"))
EXACT = ToySettings(flips=0, systematic=0, committed=0, weak=0)
UNKNOWN = "The zogs were frimbling, so I"


def post(settings: ToySettings, body: Any, path: str = "/v1/chat/completions") -> httpx2.Response:
    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(settings))
        async with httpx2.AsyncClient(transport=transport, base_url="http://toy") as client:
            return await client.post(path, **({"content": body} if isinstance(body, bytes) else {"json": body}))

    return asyncio.run(send())


def body_of(prompt: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": "toyworld", "messages": messages, "temperature": 0, "seed": 0} | options


def answer(prompt: str, settings: ToySettings = EXACT, **options: Any) -> str:
    response = post(settings, body_of(prompt, **options))
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def words_for(reader: TraitReader, side: str) -> str:
    return reader.name if side == "trait" else str(reader.entry["opposite"])


def forecast(reader: TraitReader, text: str, wording: str = "a", scale: str = "percent") -> str:
    about = {"definition": reader.entry["definition"], "opposite": reader.entry["opposite"]}
    return BOOK.render(f"forecast.{wording}", **about, two_sided=True, text=text, scale=scale).text


def response(reader: TraitReader, completion: str, wording: str = "a") -> str:
    about = {"definition": reader.entry["definition"], "opposite": reader.entry["opposite"]}
    return BOOK.render(f"response.{wording}", **about, completion=completion, scale="percent").text


def commitment(reader: TraitReader, side: str, text: str, wording: str = "a") -> str:
    about = {"definition": reader.entry["definition"], "behaviour": words_for(reader, side)}
    return BOOK.render(f"commitment.{wording}", **about, text=text, scale="percent").text


def verdict(reader: TraitReader, side: str, prefix: str, opening: str, wording: str = "a") -> str:
    other = "opposite" if side == "trait" else "trait"
    about = {"behaviour": words_for(reader, side), "contrary": words_for(reader, other)}
    definition = reader.entry["definition"]
    return BOOK.render(f"verdict.{wording}", definition=definition, **about, prefix=prefix, opening=opening).text


def span_prompt(reader: TraitReader, side: str, prefix: str) -> str:
    return BOOK.render("span", behaviour=words_for(reader, side), prefix=prefix, opening=" was").text


def cliffhanger(reader: TraitReader, side: str, n: int = 0) -> str:
    return f"They asked me about it. {reader.entry['motives'][side][n]}, so I"


def act(reader: TraitReader, side: str) -> str:
    return str(reader.entry["acts"][side][0])
