"""A card as rich text for a terminal: state, warnings, word diff and evidence, with every character made harmless."""

import re
import sys
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.review import labels
from agent.review.cards import Card, CardState
from agent.review.proposal import Proposal, TextEvidence, Version
from agent.review.report.model import twin_note
from agent.review.text_diff import merged
from agent.schema import Mode, Outcome, Polarity, Question, gating_questions
from agent.text import safe_text

GOOD, BAD, DOUBT, LABEL = "green", "bold red", "yellow", "dim"
_COLOURS = {Outcome.PASS: GOOD, Outcome.FAIL: BAD, Outcome.UNJUDGED: DOUBT}
_MOST = 20_000  # characters shown of one text; chosen by judgement: some screens, and still instant over SSH
_ESCAPED = re.compile(r"\\u\{([0-9a-f]{1,6})\}")


def escape(text: str) -> str:
    r"""The text on one line for editing: each character that a terminal would obey or hide as \u{hex}."""
    return "".join(_escaped(char, text[i + 1 : i + 3]) for i, char in enumerate(text))


def _escaped(char: str, following: str) -> str:
    hidden = safe_text(char) != char or (char == "\\" and following == "u{")
    return f"\\u{{{ord(char):x}}}" if hidden else char


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return _ESCAPED.sub(lambda m: chr(code) if (code := int(m[1], 16)) <= sys.maxunicode else m[0], text)


def plain(text: str, style: str = "") -> Text:
    """An untrusted text with every character made harmless; the middle of a very long one is left out."""
    if len(text) <= _MOST:
        return Text(safe_text(text), style)
    half = _MOST // 2
    left_out = f" [… {len(text) - _MOST:,} characters not shown …] "
    return Text.assemble((safe_text(text[:half]), style), (left_out, DOUBT), (safe_text(text[-half:]), style))


def card_view(card: Card, proposal: Proposal) -> RenderableType:
    """A card with its state, warnings, texts (as a word diff) and evidence; all three versions of a conflict."""
    parts: list[RenderableType] = [*_heading(card)]
    for number, polarity in enumerate(Polarity):
        found = card.evidence[number]
        title = Text(f"\n{polarity.value.upper()}  ", "bold")
        outcome = labels.OUTCOMES[found.outcome] if found else labels.NOT_EXAMINED
        parts.append(title.append(outcome, _COLOURS[found.outcome] if found else DOUBT))
        parts.append(_side(card, proposal, number))
    return Group(*parts)


def _heading(card: Card) -> Iterator[Text]:
    line = "" if card.line is None else f", line {card.line + 1}"
    text = Text.assemble((f"{labels.STATES[card.state].sign} {labels.state_name(card)}  ", "bold"), plain(card.pair))
    yield text.append(f"  {labels.CHANGES[card.what].name}{line}")
    if card.conflict:
        yield Text(f"! {labels.STATES[CardState.CONFLICT].meaning}", BAD)
    for warning in card.warnings:
        yield Text.assemble((f"⚑ {warning.value}: ", DOUBT), labels.WARNINGS[warning])
    if card.change.why:
        yield Text.assemble(("why: ", LABEL), plain(card.change.why))
    if (last := card.decision) is not None:
        outdated = " (on other texts: no longer counts)" if card.state in (CardState.STALE, CardState.CONFLICT) else ""
        by = Text.assemble((f"{labels.DECISIONS[last.act]} by ", LABEL), plain(last.who))
        yield by.append(f", {last.when[:16].replace('T', ' ')} UTC{outdated}  ", LABEL).append_text(plain(last.note))


def _side(card: Card, proposal: Proposal, number: int) -> Table:
    change, ours, found = card.change.sides[number], card.ours.sides[number], card.evidence[number]
    before = change.before if change.before is not None and change.before.key != ours.key else None
    old = before.evidence if before else None
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=10, style=LABEL, justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for row in _texts(card, number, before):
        table.add_row(*row)
    if ours.system_prompt:
        table.add_row("system", plain(ours.system_prompt))
    if old:
        table.add_row("before", _continuation(old))
    if found:
        table.add_row("continues", _continuation(found))
        if found.span:
            table.add_row("commits at", plain(found.span, DOUBT))
    if scores := _scores(proposal, change.polarity, old, found):
        table.add_row("scores", scores)
    facts = [*_facts(found), *(labels.RUNGS[rung] for rung in change.rungs), twin_note(card.change, change)]
    table.add_row("", Text("; ".join(filter(None, facts)), LABEL))
    return table


def _texts(card: Card, number: int, before: Version | None) -> Iterator[tuple[str, Text]]:
    ours = card.ours.sides[number].text
    if card.conflict:
        base = card.change.sides[number].before
        yield "the run's", plain(base.text) if base else Text("none", LABEL)
        theirs = card.now.sides[number].text if card.now else None
        yield "dataset", Text("removed", BAD) if theirs is None else _diff(base.text if base else "", theirs)
        yield "proposed", Text("removed", BAD) if card.is_removal else _diff(base.text if base else "", ours)
    elif card.is_removal:
        yield "removed", plain(ours, f"strike {BAD}")
    else:
        yield ("edited" if card.edited else "text"), _diff(before.text, ours) if before else plain(ours)


def _diff(before: str, after: str) -> Text:
    """Both texts in one: [-removed-] and {+added+} words, as `git diff --word-diff` marks them."""
    shown = Text()
    for segment in merged(before, after):
        text = plain(segment.text)
        if segment.kind == "deleted":
            text = Text.assemble("[-", text, "-]", style=BAD)
        elif segment.kind == "inserted":
            text = Text.assemble("{+", text, "+}", style=f"bold {GOOD}")
        shown.append_text(text)
    return shown


def _continuation(found: TextEvidence) -> Text:
    """Verdict, the first k tokens, a bar where they end, then the rest of the completion."""
    shown = Text(f"{found.verdict.value if found.verdict else 'no verdict'} ", _COLOURS[found.outcome])
    completion, opening = found.completion or "", found.opening or ""
    if not completion.startswith(opening):  # tokens that split a character
        return shown.append_text(plain(opening, "bold")).append(" … ").append_text(plain(completion))
    shown.append_text(plain(opening, "bold")).append("│" if opening else "")
    return shown.append_text(plain(completion[len(opening) :]))


def _scores(proposal: Proposal, polarity: Polarity, old: TextEvidence | None, new: TextEvidence | None) -> Text:
    """Each score, before → after, with the threshold that it is held to if the question counts in this mode."""
    gating, shown = gating_questions(proposal.mode), Text()
    for question in (Question.FORECAST, Question.RESPONSE, Question.OPENING, Question.C0, Question.C5):
        scores = [s for found in (old, new) if found and (s := found.score(question)) is not None]
        if not scores:
            continue
        criterion = proposal.rules.criterion(question, proposal.mode, polarity)
        is_met = question not in gating or criterion.met_by(scores[-1])
        shown.append(f"{'   ' if shown else ''}{labels.QUESTIONS[question].symbol} ", LABEL)
        shown.append(" → ".join(f"{score:.0f}" for score in scores), "bold" if is_met else BAD)
        held = f" {criterion.sign}{criterion.threshold:g}" if question in gating else " (no criterion)"
        shown.append(held, LABEL)
    return shown


def _facts(found: TextEvidence | None) -> Iterator[str]:
    if found is not None:
        yield labels.DEPTHS[found.depth].name
        if found.lock_in is not None:
            yield "lock-in {} of {} samples".format(*found.lock_in)
        if found.flip is not None and found.flip.value is not None:
            yield f"flip test {found.flip.value:+.2f}"


def help_view(mode: Mode) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key in labels.KEYS:
        if key.where != "page":
            table.add_row(" ".join(key.shown), key.meaning)
    rows = [(f"{state.sign} {state.name}", state.meaning) for state in labels.STATES.values()]
    rows += [(f"⚑ {warning.value}", meaning) for warning, meaning in labels.WARNINGS.items()]
    rows += [(one.symbol, one.meaning) for one in labels.questions(mode).values()]
    for name, meaning in [("", ""), *rows, ("│", "the exact end of the first tokens, which decide")]:
        table.add_row(name, meaning)
    return table
