"""One corpus of hostile texts on screens: a terminal obeys no byte of it, in a browser none runs or calls anybody.

Each text is shown by its visible form, wherever a model or a user could have written it. The report is opened from
disk; the review is served and operated by keys. Either holds all texts at once.
"""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from agent.cli.main import app
from agent.review.card_builder import edited_pair
from agent.review.proposal import PROPOSAL
from agent.review.report.page import page
from agent.schema import Act, Completion, Decision, Ending, Finding, Pair, Role, Stop
from agent.storage.experiment import ExperimentFolder
from agent.storage.ledger import Ledger
from agent.supervision.display import RunDisplay
from agent.supervision.progress import Progress
from agent.text import safe_text, with_period
from tests.cli.pseudo_terminal import stray_controls
from tests.cli.scripted import experiment
from tests.hostile import AWAY, HALVES, PRODUCT, TEXTS, of
from tests.loop.histories import NEGATIVE, POSITIVE, adopted, history, repaired, scenario
from tests.review.example import proposal
from tests.review.report.hostile import HARDEST, hostile
from tests.review.report.window import Window
from tests.review.web.browser import Browser, PageDriver, connected
from tests.review.web.served import serving
from tests.review.web.sessions import ReviewedRun, findings_for
from tests.support import pictures
from tests.support.bases import basis

# Terminals


pytestmark = pytest.mark.slow

TRAIT = "toy/refusal"
TYPED = [text for text in TEXTS if len(text) < 1000]  # what a command line can hold


def is_harmless(shown: str) -> bool:
    """Whether a terminal shows each character of it as itself, line by line."""
    return all(safe_text(line) == line for line in shown.split("\n"))


def test_whatever_is_typed_is_refused_in_harmless_sentences(tmp_path: Path) -> None:
    folder = str(experiment(tmp_path))
    for text in (*TYPED, *HALVES):
        for words in (
            [text],
            ["status", text],
            ["status", "-e", f"{folder}/{text}"],
            ["status", "-e", folder, "--traits", text],
            ["run", "-e", folder, "--dry-run", "--until", text],
            ["init", text, "-e", folder],
            ["decisions", "import", "-e", folder, "--trait", text, "--from", text],
        ):
            done = CliRunner().invoke(app, words)
            assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
            assert done.exit_code in (0, 64), words
            assert is_harmless(done.output), words


def cliffhanger(folder: Path, *words: str) -> Result:
    done = CliRunner().invoke(app, [*words, "-e", str(folder)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert is_harmless(done.output)
    return done


def damaged(folder: Path, text: str) -> list[tuple[Path, str, tuple[str, ...]]]:
    """(file, what a text makes of it, the command that reads it) of all files that somebody may have spoilt."""
    settings, dataset = folder / "refine.toml", folder / "datasets" / "traits" / TRAIT
    told, gold = json.dumps(text), folder / "gold.jsonl"
    unknown = f"{settings.read_text(encoding='utf-8')}\n[judge]\n{told} = {told}"
    return [
        (settings, text, ("status",)),
        (settings, f"version = {text}", ("status",)),
        (settings, unknown, ("status",)),
        (ExperimentFolder(folder, TRAIT).refinement / "decisions.jsonl", f"{text}\n{{}}\n", ("apply",)),
        (dataset / "positive.jsonl", f"{text}\n{{{text}\n", ("run", "--dry-run")),
        (gold, f"{text}\n{json.dumps({'id': text, 'span': text, 'trait': text})}\n", ("calibrate", str(gold))),
    ]


def test_files_that_cannot_be_read_are_named_and_quoted_harmlessly(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    refinement = ExperimentFolder(folder, TRAIT).refinement
    refinement.mkdir(parents=True)
    (refinement / PROPOSAL).write_bytes(proposal([]).model_dump_json().encode())
    for text in TEXTS:
        for place, content, words in damaged(folder, text):
            before = place.read_bytes() if place.exists() else None
            place.write_bytes(content.encode())
            done = cliffhanger(folder, *words)
            assert (done.exit_code, place.name in done.output) == (64, True), (words, text[:80], done.output[:300])
            if before is None:
                place.unlink()
            else:
                place.write_bytes(before)


def test_the_state_of_a_run_is_told_harmlessly(tmp_path: Path) -> None:
    folder = experiment(tmp_path)
    place = ExperimentFolder(folder, TRAIT)
    for group in (TEXTS[i::40] for i in range(40)):
        with Ledger(place.ledger_path) as ledger:
            campaign = ledger.campaign(basis(), new=True)
            ledger.append(campaign, history(adopted([]))[0])
            for text in group:
                ledger.record_failure(ledger.begin_attempt("key", Role.JUDGE, text), f"Malformed {text}", text)
                ledger.begin_attempt("open", Role.JUDGE, text)
        told = proposal([]).model_copy(update={"campaign": campaign, "rounds": 1})
        stop = Stop(ending=Ending.NOT_READY, why=" ".join(group))
        (place.refinement / PROPOSAL).write_bytes(told.model_copy(update={"stop": stop}).model_dump_json().encode())
        said = cliffhanger(folder, "status").output
        assert safe_text(group[0][:500]) in said
        assert json.loads(cliffhanger(folder, "status", "--json").output)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_screen_of_a_run_obeys_nothing(is_terminal: bool) -> None:
    sink, progress = io.StringIO(), Progress((TRAIT,))
    console = Console(file=sink, force_terminal=is_terminal, width=100, height=40)
    with RunDisplay(console, progress, lambda: [TEXTS[0]], poll=60.0) as screen:
        screen.add_trait(TRAIT, 4)
        for text in (*TEXTS, *HALVES):
            progress.error(text)
            progress.pause("who", text)
            progress.stage(TRAIT, text)
            screen.refresh()
        screen.print(*TEXTS, *HALVES)
        screen.print_table(("a", "b"), [("x", text[:300]) for text in (*TEXTS, *HALVES)])
    shown = sink.getvalue()
    assert stray_controls(shown.encode()) == ""
    assert AWAY in shown
    assert not any(code in shown for code in ("\x1b[1;7;35m", "\x1b[8m", "\x1b[999;999H", "\x1b[c", "\x1b[6n", "\x1bc"))
    assert is_terminal or is_harmless(shown)


# Browsers


Said = tuple[str, str]  # a text for either side of a pair

LONG = of("long")
MARKED = next(text for text in of("patch") if "<<<<<<<" in text)  # a merge gone wrong, which no edit may store
NIGHTS = {"short texts": tuple(text for text in TEXTS if text not in LONG), "long texts": LONG}  # long ones are slow
SHORT = " ".join(text for text in TEXTS if len(text) < 1000)
MADE_BY_A_TEXT = (
    "script:not([src^='../static/']), link:not([href^='../static/']), img:not([src^='data:image/svg+xml;base64,']), "
    "iframe, frame, object, embed, base, video, audio, math, marquee, plaintext, xmp, animate, foreignObject, "
    "meta[http-equiv=refresh], form[action], [autofocus], [onload], [onerror], [onfocus], [ontoggle], [onmouseover], "
    "[onclose], [onbegin], [onstart], a[href^=javascript], [style*=url], [name=forged], [value=forged]"
)


def shown(text: str) -> str:
    """The visible form: line feeds break the line, whatever else is invisible has a picture or a code."""
    return "\n".join(safe_text(line) for line in text.split("\n"))


def texts(tab: Browser, selector: str) -> list[str]:
    """What stands in each of these elements, to the letter."""
    script = "(them) => [...document.querySelectorAll(them)].map((one) => one.textContent)"
    return [str(text) for text in tab.evaluate(script, selector)]


def require_untouched(tab: Browser, address: str) -> None:
    """No text has run, led elsewhere, become an element or been worked out by a template."""
    assert not tab.evaluate("'ran' in window")
    assert (tab.url, len(tab.frames), len(tab.context.pages)) == (address, 1, 1)
    assert texts(tab, MADE_BY_A_TEXT) == []
    (said,) = texts(tab, "body")
    assert PRODUCT not in said.replace(f"]{PRODUCT};", "")  # an escape of the corpus has that number


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with connected() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Window:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pictures.real():
        path.write_text(page(hostile()), encoding="utf-8")
    window = Window(chromium, path)
    window.tab.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    return window


@pytest.mark.browser
def test_the_report_runs_nothing_asks_for_nothing_and_says_nothing(report: Window) -> None:
    require_untouched(report.tab, report.address)
    assert (report.external_requests, report.messages) == ([], [])
    assert report.tab.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.browser
def test_the_report_shows_the_texts_of_each_pair_to_the_letter(report: Window) -> None:
    sides = [
        text.removeprefix(f"Story d{i // 3:04d} is sad. ") for i, text in enumerate(texts(report.tab, ".side .text"))
    ]
    assert sides[0::3] == [shown(f"{text}{text} more") for text in TEXTS]
    assert sides[1::3] == [shown(f"{text} {text[:80]}{text} more") for text in TEXTS]
    assert sides[2::3] == [shown(f"{text}Another thought came, so I refused. It was wrong.") for text in TEXTS]
    assert texts(report.tab, ".side .opening")[0::3] == [shown(text) for text in TEXTS]
    assert "".join(texts(report.tab, ".side mark")) == shown("".join(TEXTS))
    assert texts(report.tab, ".side .hint")[::3] == [f"System prompt: {shown(text)}" for text in TEXTS]
    assert report.tab.evaluate("[...document.querySelectorAll('.side p')].every((one) => one.checkVisibility())")


@pytest.mark.browser
def test_the_report_shows_every_reason_candidate_and_model_and_what_the_trait_is(report: Window) -> None:
    told = [text.partition("; refused: ")[2] for text in texts(report.tab, ".history li > p:first-child")]
    in_order = list(chain.from_iterable(TEXTS[first::HARDEST] for first in range(HARDEST)))
    assert list(filter(None, told)) == [
        f"{shown(text)} (1). {shown(with_period(f'Unchanged: {text}'))}" for text in in_order
    ]
    assert texts(report.tab, ".why") == [shown(with_period(text)) for text in TEXTS]
    definition, opposite, _, *models = texts(report.tab, "#settings ~ .about dd")
    assert definition == opposite == shown("\n".join(TEXTS))
    assert models[:-1] == [shown(text) for text in TEXTS]
    assert texts(report.tab, "h1") == [f"toy/{TEXTS[0]}"]
    assert shown(" ".join(TEXTS)) in texts(report.tab, ".headline")[0]


def made(name: str, when: str, said: Said) -> Pair:
    """A pair of hostile texts, each with itself as its system prompt."""
    sides = {
        side: scenario(side, "", f"{when} {text}").model_copy(update={"system_prompt": text})
        for side, text in zip((POSITIVE, NEGATIVE), said, strict=True)
    }
    return Pair(id=name, positive=sides[POSITIVE], negative=sides[NEGATIVE])


def found(of_pair: Pair, said: Said) -> list[Finding]:
    """Findings by which the subject went on with these very texts, and they had committed the prefix."""
    findings = zip(findings_for(of_pair), said, strict=True)
    return [
        one.model_copy(update={"completion": Completion(text=f"{t} more", token_ids=(1,), opening=t), "span": t})
        for one, t in findings
    ]


def two_by_two(corpus: Sequence[str]) -> list[Said]:
    return list(zip(corpus[::2], corpus[1::2], strict=True))


def night(folder: Path, both: Sequence[Said]) -> ReviewedRun:
    """Pairs of which the run has replaced both texts, with all that was found before and after, and a reason."""
    names = {f"d{number:04d}": said for number, said in enumerate(both)}
    old, new = ([made(name, when, said) for name, said in names.items()] for when in ("Before", "After"))
    first = adopted(old, [one for pair_ in old for one in found(pair_, names[pair_.id])])
    rounds = [repaired(one, two, found(two, names[one.id])) for one, two in zip(old, new, strict=True)]
    told = ReviewedRun(
        folder, tuple(old), [first, *rounds], trait=SHORT, recheck=lambda edited: found(edited, names[edited.id])
    )
    reasons = [change.model_copy(update={"why": " ".join(names[change.pair])}) for change in told.proposal.changes]
    told.proposal = told.proposal.model_copy(update={"changes": tuple(reasons)})
    return told


def edit_by_hand(told: ReviewedRun, both: Sequence[Said]) -> None:
    """Lines of the log in which somebody of a hostile name and with a hostile note wrote the bare texts."""
    lines = []
    for number, (card, said) in enumerate(zip(told.session().cards(), both, strict=True)):
        binding = {"trait": told.trait, "campaign": 1, "pair": card.pair, "proposed": card.proposed, "base": card.base}
        edit = {
            "act": Act.EDIT,
            "positive": said[0],
            "negative": said[1],
            "who": " ".join(said),
            "note": " ".join(said),
        }
        when = f"2026-11-24T05:00:00.{number:06d}+00:00"
        lines.append(Decision(**binding, **edit, key=edited_pair(card.change.after, *said).key, when=when))  # type: ignore[arg-type]
    told.log.append(*lines)


def require_shown(tab: Browser, said: Said) -> None:
    """The open pair shows both texts to the letter: as they are compared, in their evidence, in who said what."""
    assert texts(tab, "#panel .two .text") == [shown(text) for one in said for text in (f"Before {one}", one)]
    proofs = [text for one in said for text in (f"Before {one}{one} more", f"After {one}{one} more", one)]
    assert texts(tab, "#panel .evidence .text") == [shown(text) for text in proofs]
    assert texts(tab, "#panel .facts mark") == [shown(text) for one in said for text in (one, one)]
    both, hints = shown(" ".join(said)), texts(tab, "#panel .hint")
    assert hints[1] == f"Edited by {both}, 2026-11-24 05:00 UTC: “{both}”"
    assert hints[2] == f"Reason given by the run: {shown(with_period(' '.join(said)))}"
    assert hints[3:5] == [f"System prompt: {shown(text)}" for text in said]
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def edited(reader: PageDriver, said: Said, side: int) -> None:
    """The editor opened, stored with nothing changed, then with one side longer."""
    reader.keys("e")
    fields = [reader.page.locator(f"#edit-{name}") for name in ("positive", "negative")]
    assert [field.input_value() for field in fields] == [shown(text) for text in said]
    reader.keys("Control+s")
    assert "The texts are unchanged" in " ".join(texts(reader.page, "#panel .alert"))
    fields[side].evaluate("(one) => one.setRangeText(' more', one.value.length, one.value.length)")
    reader.keys("Control+s")


@pytest.mark.browser
@pytest.mark.parametrize("corpus", NIGHTS.values(), ids=NIGHTS)
def test_the_review_shows_each_text_obeys_none_and_stores_it_to_the_letter(
    chromium: Browser, tmp_path: Path, corpus: Sequence[str]
) -> None:
    both = two_by_two(corpus)
    told = night(tmp_path, both)
    edit_by_hand(told, both)
    with serving([told.session(SHORT)]) as served:
        reader = PageDriver(chromium, served)
        reader.keys("?", "Escape", "o")
        for number, said in enumerate(both):
            require_shown(reader.page, said)
            edited(reader, said, number % 2)
            if MARKED in said:
                assert "conflict mark" in " ".join(texts(reader.page, "#panel .alert"))
                reader.keys("Escape")
            reader.keys("j")
        require_untouched(reader.page, served.address)
        assert texts(reader.page, "h1") == [shown(SHORT)]
        assert (reader.messages, reader.hosts) == ([], {served.address.split("/")[2]})
        reader.page.close()
    stored = [d for d in told.log.read().decisions if d.act is Act.EDIT and d.who == SHORT]
    assert [(d.positive, d.negative) for d in stored] == [
        (f"{one} more", two) if number % 2 == 0 else (one, f"{two} more")
        for number, (one, two) in enumerate(both)
        if MARKED not in (one, two)
    ]


@pytest.mark.browser
def test_the_review_shows_three_versions_lists_and_searches_without_obeying(chromium: Browser, tmp_path: Path) -> None:
    both = two_by_two(["\n".join(TEXTS[first::8]) for first in range(8)])
    told = night(tmp_path, both)
    with serving([told.session()]) as served:
        reader = PageDriver(chromium, served)
        reader.keys("A")
        assert len(texts(reader.page, ".many .teaser")) == len(both)
        reader.keys("Escape")
        told.dataset = tuple(
            old.model_copy(update={"positive": made("x", "Now", said).positive})
            for old, said in zip(told.dataset, both, strict=True)
        )
        reader.page.reload()
        reader.wait_idle()
        for said in both:
            versions = [f"{when} {said[0]}" for when in ("Before", "Now", "After")]
            versions += [f"{when} {said[1]}" for when in ("Before", "Before", "After")]
            assert texts(reader.page, "#panel .conflict .text") == [shown(text) for text in versions]
            reader.keys("j")
        require_untouched(reader.page, served.address)
        wanted = " ".join(of("attribute", "markup", "template"))
        searched = f"{served.address}?q={quote(wanted)}"
        reader.page.goto(searched)
        assert reader.page.input_value("#q") == shown(wanted)
        require_untouched(reader.page, searched)
        assert (reader.messages, reader.hosts) == ([], {served.address.split("/")[2]})
        reader.page.close()
