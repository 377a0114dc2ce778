"""The basis of a campaign: its stored form and its key are those of ledgers that exist."""

import json

import pytest
from pydantic import ValidationError

from agent.schema import CampaignBasis
from agent.storage.ledger_database import CampaignRecord, LedgerError
from tests.support.bases import basis

STORED = (
    '{"auditor": "a at u by samples", "author": "w at u by letters", "dataset definition": "", '
    '"dataset negative": "2", "dataset positive": "1", "decisions": "9", "judge": "j by j at u by logprobs", '
    '"prompts": "3", "settings": "4", "starting set": "{}", "subject": "5", "trait": "{\\"id\\": \\"toy/gloom\\"}"}'
)


def test_the_stored_form_is_read_and_written_to_the_letter() -> None:
    read = CampaignBasis.model_validate_json(STORED)
    assert json.dumps(read.items, ensure_ascii=False, sort_keys=True) == STORED
    assert read.dataset_positive == "1"
    assert read.starting_set == "{}"


def test_the_key_is_the_digest_of_the_sorted_items() -> None:
    # Computed by the program before the basis was a model.
    assert (
        CampaignBasis.model_validate_json(STORED).key
        == "7db20ef6c96803e9b46362ba25caddeb3a91d38995162e52e1c5d22e56bbaf8f"
    )


def test_without_decisions_nothing_about_them_is_stored() -> None:
    assert not {"decisions", "starting set"} & basis().items.keys()


def test_addresses_are_the_roles_models_without_their_scoring() -> None:
    assert CampaignBasis.model_validate_json(STORED).addresses == {"a at u", "w at u", "j by j at u"}


def test_only_what_differs_is_named_as_changed() -> None:
    other = basis().model_copy(update={"judge": "another at here by logprobs", "dataset_positive": "x"})
    assert other.changed_since(basis()) == ("dataset positive", "judge")
    assert basis().changed_since(basis()) == ()


def test_a_basis_of_another_version_is_a_sentence() -> None:
    record = CampaignRecord(id=3, key="k", about='{"weather": "fine"}', created=0.0, rounds=0)
    with pytest.raises(LedgerError, match="The basis of campaign 3 cannot be read by this version"):
        _ = record.basis
    with pytest.raises(ValidationError):
        CampaignBasis.model_validate_json(STORED.replace('"judge"', '"jury"'))
