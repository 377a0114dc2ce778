"""The settings of an experiment: strict, frozen, with every default filled in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from agent.schema import BudgetConfig, Caps, FrozenModel, Mode, Nature, NegativeTest, Rules, digest

TOYWORLD = "toyworld"
ROLES = ("judge", "author", "auditor")

_PART = r"\.{0,2}[A-Za-z0-9_-][A-Za-z0-9_.-]*"
Share = Annotated[float, Field(ge=0, le=1)]
TraitId = Annotated[str, Field(pattern=f"^{_PART}/{_PART}$")]


def is_trait_id(name: str) -> bool:
    """Whether a name is category/name, of characters that are safe in folder names."""
    return re.fullmatch(f"{_PART}/{_PART}", name) is not None


_WEEK = 7 * 86400.0
_DURATION = re.compile(r"(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+)\s*s)?")


def seconds_of(value: object) -> object:
    """Seconds of "2h", "10m", "45s" or "1h30m"; any other value as it is."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        return value
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(3600 * hours + 60 * minutes + seconds)


class SubjectSettings(FrozenModel):
    """The model under study."""

    model: Annotated[str, Field(min_length=1)]
    """"toyworld", a folder, or a Hugging Face id, optionally with @revision."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Only in float32 a completion does not depend on its batch; the others take half the memory."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"
    """"auto" takes a CUDA device where there is one, else the CPU. MPS has to be named."""
    batch_tokens: Annotated[int, Field(ge=64)] = 4096
    """Tokens in one batch of completions, padding and new ones included. Chosen by judgement, for a CPU."""


_SECRET_IN_QUERY = re.compile(r"[?&](?:\w*key|token|access_token|sig|code|secret|password)=", re.I)


def without_secret(url: str) -> str:
    """The URL. Raises ValueError for one whose query holds a key, since addresses are shown and stored."""
    if _SECRET_IN_QUERY.search(url.replace("-", "_")):
        raise ValueError("a key stands in it")
    return url


class EndpointSettings(FrozenModel):
    """The endpoint of one LLM role."""

    model: Annotated[str, Field(min_length=1)]
    """The model's name at its endpoint, or "toyworld"."""
    base_url: Annotated[str, Field(pattern=r"^(toyworld|https?://[^\s@]+)$"), AfterValidator(without_secret)]
    """The URL of an OpenAI-compatible API, up to /v1, or with Azure's query. By default OpenAI's, or the toy world."""
    key_variable: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]
    """The environment variable with the API key. By default OPENAI_API_KEY for OpenAI's API, else none."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 32
    """The most calls in flight; the rate limiter goes below it as the endpoint requires. A stated number is used from
    the start; the default, chosen by judgement, is reached from four calls on."""
    timeout: Annotated[float, Field(ge=1, le=_WEEK, allow_inf_nan=False), BeforeValidator(seconds_of)] | None = None
    """The longest time that one answer may take, as "45s", "10m", "2h", "1h30m" or in seconds. None: learned from
    recent answers, 20 to 180 seconds. For slow local models, and for people who answer by hand."""
    input_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """US dollars per million input tokens; by default the published price."""
    output_price: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """US dollars per million output tokens; by default the published price."""
    free: bool = False
    """Whether calls cost nothing, as on a server of one's own; published prices are ignored then."""

    @property
    def meaning(self) -> str:
        """Digest of what an answer depends on."""
        return digest(self.model, self.base_url)


class ToyworldSettings(FrozenModel):
    """The mistakes of the embedded author and judge, and the features of their endpoint. Rates chosen by judgement."""

    flips: Share = 0.02
    """Share of the judge's answers that are wrong at random."""
    systematic: Share = 0.02
    """Share of texts and wordings that the judge always gets wrong."""
    committed: Share = 0.2
    """Share of the author's endings that have already committed to the trait."""
    weak: Share = 0.15
    """Share of the author's texts with a weak lock-in."""
    logprobs: bool = True
    """Whether the endpoint gives log-probabilities."""
    json_schema: bool = True
    """Whether the endpoint accepts JSON schemas."""
    split_digits: bool = False
    """Whether the tokenizer of the endpoint writes numbers digit by digit."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed makes other mistakes."""


class TraitSettings(FrozenModel):
    """The settings of one trait."""

    mode: Mode | None = None
    """Whether the trait shows in the first tokens or in the whole response; None: decision."""
    opposite: Annotated[str, Field(min_length=1)] | None = None
    """The opposite of the trait in words; None: the LOW line of its definition."""
    negative_test: NegativeTest | None = None
    """Whether a negative must show the opposite, or only the absence of the trait; None: opposite."""
    nature: Annotated[tuple[Nature, ...], Field(min_length=1)] | None = None
    """What the behaviour consists of: act, speech, feeling, thought; None: act and speech."""


class Settings(FrozenModel):
    """All settings of one experiment, with every default filled in. Paths are absolute."""

    version: Literal[1]
    """The version of the settings' format."""
    experiment: Path
    """The folder that holds refine.toml."""
    traits: Annotated[tuple[TraitId, ...], Field(min_length=1)]
    """The traits of the experiment, as category/name."""
    datasets: Path
    """The folder with a folder per trait; by default ../../datasets/traits below the experiment."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of all sampling and shuffling."""
    variant: Annotated[str, Field(pattern=f"^{_PART}$")] | None = None
    """The name of a model variant, which gets folders of its own; None: none."""
    subject: SubjectSettings
    judge: EndpointSettings
    author: EndpointSettings
    auditor: EndpointSettings
    caps: Caps = Caps()
    rules: Rules = Rules()
    budget: BudgetConfig = BudgetConfig()
    toyworld: ToyworldSettings = ToyworldSettings()
    trait: dict[TraitId, TraitSettings] = {}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        problems = list(_impossible(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def of(self, trait_id: str) -> TraitSettings:
        """The settings of one trait."""
        return self.trait.get(trait_id, TraitSettings())

    def meaning(self, trait_id: str | None = None) -> str:
        """Digest of what a verdict depends on: rules, seed, subject, roles, and the settings of one trait."""
        roles = [self.judge.meaning, self.author.meaning, self.auditor.meaning]
        embedded = TOYWORLD in (self.judge.base_url, self.author.base_url, self.auditor.base_url)
        toyworld = self.toyworld.model_dump_json() if embedded else ""
        own = self.of(trait_id).model_dump_json() if trait_id else ""
        subject = [self.subject.model, self.subject.dtype]
        return digest(self.rules.model_dump_json(), str(self.seed), *subject, *roles, toyworld, own)


def _impossible(settings: Settings) -> Iterator[str]:
    caps, rules = settings.caps, settings.rules
    for low, high in (
        ("rules.lock_in_needed", "rules.lock_in_samples"),
        ("rules.first_k", "rules.max_new_tokens"),
        ("rules.commitment_limit", "rules.committed"),
        ("rules.primed_limit", "rules.committed"),
    ):
        a, b = (getattr(caps if key.startswith("caps") else rules, key.partition(".")[2]) for key in (low, high))
        if a > b:
            yield f"`{low}` is {a} and `{high}` is {b}: lower the first or raise the second."
    if rules.neg_threshold >= rules.pos_threshold:
        yield (
            f"`rules.neg_threshold` is {rules.neg_threshold:g} and `rules.pos_threshold` {rules.pos_threshold:g}: "
            "no score could tell the sides apart. Set the negative threshold below the positive one."
        )
    if len(set(settings.traits)) < len(settings.traits):
        yield "`traits` names a trait twice. Remove one of them."
