"""Texts that would do something if they were anything but shown."""

from agent.review.report.facts import report
from agent.review.report.nouns import Report
from agent.schema import Trait
from tests.loop.histories import FAIL, POSITIVE, adopted, edited, history, pair, repaired
from tests.review.report.examples import ASKED, both, measured, record

TEXTS = (
    "<script>document.title = 'owned'</script>",
    '"><img src=x onerror="document.title = \'owned\'">',
    "</style></title></textarea><script>document.title = 'owned'</script>",
    "<svg onload=\"document.title = 'owned'\"><a href=\"javascript:document.title = 'owned'\">x</a></svg>",
    "<iframe src=https://example.org></iframe><link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content=0;url=https://example.org>",
    "{{ 7 * 7 }} {% raw %} {{ report.__class__ }} {# gone #}",
    "right \u202eto left\u202c and \u2066isolated\u2069 and zero\u200bwidth\ufeff",
    "\x1b[31mred\x1b[0m \x1b]8;;https://example.org\x07link\x1b]8;;\x07 bell\x07 null\x00 \x9b31m",
    "line\nbreak\r\nand\u2028separator\u2029s\x85",
    "&lt;already&gt; &amp; &#x3c;script&#x3e;",
    "--> <!-- ]]> $x^2$ %s ../../etc/passwd",
    "x" * 65_536 + " and then I",
)


def hostile() -> Report:
    """A report in which every text of a model is hostile: endings, completions, openings, spans, reasons."""
    of = [pair(f"d{i:04d}") for i in range(len(TEXTS))]
    bad = [edited(one, POSITIVE, text) for one, text in zip(of, TEXTS, strict=True)]
    good = [edited(one, POSITIVE, f"{text} {text[:80]}") for one, text in zip(of, TEXTS, strict=True)]
    seen = [
        finding
        for one, text in zip(bad, TEXTS, strict=True)
        for finding in both(one, FAIL, text=text + " more", opening=text, span=text)
    ]
    twice = [repaired(old, old, [], *()) for old in bad for _ in range(2)]
    mended = [
        repaired(old, new, both(new, text=text, opening=text)) for old, new, text in zip(bad, good, TEXTS, strict=True)
    ]
    spoken = [
        done.model_copy(update={"changes": (done.changes[0].model_copy(update={"why": text}),)})
        for done, text in zip(twice, TEXTS * 2, strict=True)
    ]
    trait = Trait(id=f"toy/{TEXTS[0]}", definition=" ".join(TEXTS[:-1]), opposite=TEXTS[1])
    asked = ASKED.model_copy(update={"trait": trait, "models": (("judge", TEXTS[0]),)})
    told = history(adopted(bad, seen), *spoken, *mended)
    return report(asked, record(told).model_copy(update={"dataset": tuple(bad)}), measured(told))
