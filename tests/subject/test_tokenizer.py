"""Text to ids and back: leading spaces, exact boundaries, split characters, special tokens in a text."""

from typing import Any

import pytest

from agent.schema import Opener
from agent.subject.tokenizer import Tokens, with_system_prompt
from agent.subject.weights import SubjectError, UnfitTextError
from tests.subject.tiny_model import TEXTS, save_tiny


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def tokens(tokenizer: Any) -> Tokens:
    return Tokens(tokenizer, None)


@pytest.fixture(scope="module")
def sentencepiece() -> Tokens:
    """A tokenizer of the Llama 2 kind: it drops a leading space when decoding, and falls back to single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", "▁", "I", "▁I", "▁so", "s", "o", "▁s", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges = [("▁", "I"), ("▁", "s"), ("▁s", "o")]
    bpe = Tokenizer(
        models.BPE({word: i for i, word in enumerate(words)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return Tokens(PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>"), None)


@pytest.mark.parametrize("text", [*TEXTS, "tab\tnew\nline\u2028and\0nul", "\u202eright to left\u202c", "e\u0301"])
def test_prefix_and_continuation_read_as_one_text(tokens, text):
    prompt = tokens.prompt(text, None, 0)
    new = tokens.prompt(text + " told him no, \u65e5\u672c.", None, 0).ids[len(prompt.ids) :]
    assert tokens.exact_boundary(prompt, " told him no, \u65e5\u672c.")
    assert tokens.decode_continuation(prompt, new) == " told him no, \u65e5\u672c."


@pytest.mark.parametrize("text", TEXTS)
def test_the_ids_of_a_text_are_those_that_the_tokenizer_gives_by_default(tokens, tokenizer, text):
    assert tokens.prompt(text, None, 0).ids == tuple(tokenizer(text)["input_ids"])
    assert tokens.prompt("No", None, 0).ids[0] == tokenizer.bos_token_id
    assert (tokens.start, tokens.forced_start) == ("texts begin with <s>", False)


@pytest.mark.parametrize(("bos", "forced"), [("<s>", True), (None, False)])
def test_a_bos_that_the_tokenizer_does_not_put_there_is_not_put_there(tmp_path, bos, forced):
    from transformers import AutoTokenizer

    bare = AutoTokenizer.from_pretrained(save_tiny(tmp_path, adds_bos=False), bos_token=bos)
    tokens = Tokens(bare, None)
    assert tokens.prompt("No", None, 0).ids == tuple(bare("No")["input_ids"])
    assert (tokens.start, tokens.forced_start) == ("texts begin without a special token", forced)
    with pytest.raises(UnfitTextError, match="no tokens"):
        tokens.prompt("", None, 0)


def test_what_the_tokenizer_puts_behind_a_text_is_left_out(tokenizer):
    from copy import deepcopy

    from tokenizers import processors

    closing = deepcopy(tokenizer)
    closing.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    assert closing("No")["input_ids"][-1] == 1
    assert Tokens(closing, None).prompt("No", None, 0).ids == tuple(closing("No")["input_ids"][:-1])


def test_special_tokens_spelt_out_in_a_text_are_plain_characters(tokens):
    prompt = tokens.prompt("the end </s> and <s> on", None, 0)
    assert 1 not in prompt.ids
    assert prompt.ids.count(0) == 1
    assert tokens.decode_continuation(tokens.prompt("the end", None, 0), prompt.ids[1:]) == "the end </s> and <s> on"


def test_generated_special_tokens_are_no_text(tokens):
    assert tokens.decode_continuation(tokens.prompt("the end", None, 0), [0, 1]) == ""


def test_the_boundary_is_exact_where_the_continuation_starts_a_token(tokens):
    assert tokens.exact_boundary(tokens.prompt(TEXTS[0], None, 0), " refused")


def test_the_boundary_is_not_exact_where_the_continuation_grows_the_last_token(tokens):
    prompt = tokens.prompt("This crossed a li", None, 0)
    assert not tokens.exact_boundary(prompt, "ne, so I")


def test_a_leading_space_is_kept_even_where_the_tokenizer_drops_it(sentencepiece):
    prompt = sentencepiece.prompt("so", None, 0)
    assert sentencepiece.decode_continuation(prompt, [5, 6]) == " I so"
    assert sentencepiece.exact_boundary(prompt, " I so")


def test_bytes_that_melt_into_the_prompts_last_character_leave_the_prompt_out(sentencepiece):
    prompt = sentencepiece.prompt("so \U0001f319", None, 0)
    assert prompt.ids[-1] >= 10, "the prompt must end in byte tokens"
    assert sentencepiece.decode_continuation(prompt, [10 + 0x80, 5]) == "\ufffd I"


def test_a_character_that_the_limit_cuts_in_two_shows_as_unreadable(tokens, tokenizer):
    fox = tokenizer("\U0001f98a", add_special_tokens=False)["input_ids"]
    assert len(fox) > 2
    prompt = tokens.prompt("It was", None, 0)
    assert tokens.decode_continuation(prompt, fox) == "\U0001f98a"
    assert tokens.decode_continuation(prompt, fox[:2]) == "\ufffd"


def test_a_text_with_an_opener_is_one_text_of_which_the_first_part_is_shared(tokens):
    opener = Opener(text=" refused to do it", samples=3)
    joined, forced = tokens.prompt(TEXTS[0] + opener.text, None, 0), tokens.prompt(TEXTS[0], None, 0, opener)
    assert (forced.text, forced.ids, forced.key) == (joined.text, joined.ids, joined.key)
    assert forced.prefix == tokens.prompt(TEXTS[0], None, 0).ids
    assert (forced.samples, joined.samples, joined.prefix) == (3, None, ())


@pytest.mark.parametrize(("text", "opener"), [("This crossed a li", "ne, so I"), ("so I", "")])
def test_nothing_is_shared_where_text_and_opener_melt_or_nothing_follows(tokens, text, opener):
    prompt = tokens.prompt(text, None, 0, Opener(text=opener, samples=1))
    assert (prompt.ids, prompt.shared) == (tokens.prompt(text + opener, None, 0).ids, 0)


def test_half_a_surrogate_pair_is_refused_in_words(tokens):
    with pytest.raises(SubjectError, match="half a surrogate pair"):
        tokens.prompt("bad \ud800 text", None, 0)


def test_prompts_differ_by_where_the_system_prompt_ends(tokens):
    apart, joined = tokens.prompt("b", "a", 0), tokens.prompt("a\n\nb", None, 0)
    assert apart.text == joined.text == with_system_prompt("b", "a")
    assert apart.key != joined.key


@pytest.mark.parametrize(("limit", "fits"), [(20, True), (19, False)])
def test_prompt_and_new_tokens_together_must_fit(tokenizer, limit, fits):
    length = len(Tokens(tokenizer, None).prompt(TEXTS[1], None, 0).ids)
    bounded = Tokens(tokenizer, length + limit - 10)
    if fits:
        assert bounded.prompt(TEXTS[1], None, 10)
    else:
        with pytest.raises(SubjectError, match="shorten it"):
            bounded.prompt(TEXTS[1], None, 10)
