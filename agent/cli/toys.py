"""What the toy world plays and what it cannot, in sentences for whoever relies on it."""

from collections.abc import Iterator

from agent.cli.compose import settings_of
from agent.config import TOYWORLD, EndpointSettings, Settings
from agent.schema import Role, Trait
from agent.toyworld.endpoint_faults_settings import FAULTS, Faults


def stranger(settings: Settings, trait: Trait) -> Iterator[str]:
    """That a trait is none of the toy world's own, where the toy world is to write about it or to judge it."""
    from agent.toyworld.endpoint_reading import shipped_lexicon

    roles = [role.value for role in (Role.AUTHOR, Role.JUDGE) if _is_toy(settings_of(settings, role))]
    lexicon = shipped_lexicon()
    taken = lexicon.reader(trait.definition) or lexicon.reader(trait.id)
    if roles and (taken is None or taken.name != trait.id.rpartition("/")[2]):
        fate = f"takes {trait.id} for {taken.name}" if taken else f"can do nothing with {trait.id}"
        yield (
            f"The toy world is {' and '.join(roles)} here. It knows {', '.join(lexicon.readers)} only, and "
            f"{fate}. Name real models in refine.toml, under {' and '.join(f'[{role}]' for role in roles)}."
        )


def toy_judge(settings: Settings) -> Iterator[str]:
    """What figures of the toy judge are worth."""
    if _is_toy(settings.judge):
        yield (
            "The judge is the toy world's, which knows its own phrases only: these figures say nothing about a real "
            "judge. Name one under [judge] in refine.toml."
        )


def served(url: str, faults: Faults) -> Iterator[str]:
    """Where the toy world answers, what makes an experiment ask it, and what is to go wrong."""
    yield f"The toy world answers at {url} until Ctrl-C. To have it asked, let refine.toml say:"
    yield from ("", "[judge]", 'model = "toyworld"', f'base_url = "{url}"', "free = true", "")
    yield "Author and auditor are then it too; where the file has sections [author] or [auditor], write the same there."
    wrong = list(_wrong(faults))
    yield from ("Faults:", *(f"  {line}" for line in wrong)) if wrong else ("It has no faults: see --help for some.",)
    yield f"What was asked and what went wrong is counted at {url}/faults"


def _wrong(faults: Faults) -> Iterator[str]:
    for name, rate in faults.rates.items():
        yield f"{name}: {FAULTS[name]}, {rate:.1%} of the requests"
    for text in faults.poison:
        yield f"poison: 500 for ever where a prompt contains {text!r}"
    for one in faults.outages:
        again = "" if one.every is None else f", and again every {one.every:g} s"
        yield f"outage: 503 from second {one.start:g} on for {one.length:g} s{again}"
    if (cap := faults.rate_cap) is not None:
        yield f"rate cap: {cap.per_second:g} requests a second, {cap.burst:g} at once; 429 over it"
    if faults.quota_after is not None:
        yield f"quota: out of credit after {faults.quota_after} requests"
    if faults.latency or faults.spread:
        yield f"latency: {faults.latency:g} s for each reply, and up to {faults.spread:g} s more"


def _is_toy(about: EndpointSettings) -> bool:
    return TOYWORLD in (about.model, about.base_url)
