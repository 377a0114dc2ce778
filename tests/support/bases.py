"""Campaign bases for tests that need a campaign and care for little of what it depends on."""

from agent.schema import CampaignBasis

_PLAIN = CampaignBasis(
    dataset_positive="p",
    dataset_negative="n",
    dataset_definition="d",
    trait="chirp/refusal",
    settings="s",
    prompts="q",
    subject="m",
    author="author at here by letters",
    judge="judge at here by logprobs",
    auditor="auditor at there by samples",
)


def basis(trait: str = "chirp/refusal") -> CampaignBasis:
    """A basis; another trait is another campaign."""
    return _PLAIN.model_copy(update={"trait": trait})
