"""What to change when scenarios fail, by the verdict that dominates."""

from agent.schema.judging import Verdict

ADVICE = {
    Verdict.EXPRESS: "the forecast disagrees with what the subject does: look at the definition",
    Verdict.EXPLAIN: "the texts keep showing the trait before the cut: look at the author's endings",
    Verdict.LATE: "the trait comes late: shorten the runway, or extract over more tokens",
    Verdict.WRONG: "the subject goes the other way: sharpen the definition's HIGH and LOW, or choose tamer topics",
    Verdict.OFF_SCRIPT: "the subject wanders off: use shorter, plainer situations",
    Verdict.TOPIC: "the topics themselves decide: choose other situations",
    Verdict.UNSTABLE: "the outcome is a coin flip: give the endings stronger motives",
    Verdict.UNSURE: "the judge cannot decide: read these texts yourself",
}
