"""Settings are read and checked before anything is paid for; what is wrong is a sentence with its key and remedy."""

import re
from pathlib import Path

import pytest

from agent.config.load import SettingsError, load_settings
from agent.config.settings import Settings
from agent.schema import Caps, Mode, NegativeTest, Rules

LEAST = """
version = 1
traits = ["chirp/refusal"]
[subject]
model = "toyworld"
"""


def experiment(tmp_path: Path, text: str, name: str = "demo") -> Path:
    folder = tmp_path / "experiments" / name
    folder.mkdir(parents=True)
    (folder / "refine.toml").write_text(text, encoding="utf-8")
    return folder


def load(tmp_path: Path, text: str, **overrides: object) -> Settings:
    return load_settings(experiment(tmp_path, text), overrides)


def complaint(tmp_path: Path, text: str) -> str:
    """What is said of the least settings with this text added or put in place of them."""
    whole = text if "[subject]" in text else f"{text}\n{LEAST}" if not text.startswith("[") else f"{LEAST}\n{text}"
    with pytest.raises(SettingsError) as raised:
        load_settings(experiment(tmp_path, whole))
    return str(raised.value)


def test_the_least_settings_run_on_the_toy_world_without_key_or_network(tmp_path: Path) -> None:
    settings = load(tmp_path, LEAST)
    assert settings.traits == ("chirp/refusal",)
    assert settings.caps == Caps()
    assert settings.rules == Rules()
    assert settings.subject.model == "toyworld"
    for role in (settings.judge, settings.author, settings.auditor):
        assert (role.model, role.base_url, role.key_variable, role.free) == ("toyworld", "toyworld", "", True)
    assert settings.datasets == tmp_path / "datasets" / "traits"
    assert settings.experiment == tmp_path / "experiments" / "demo"


def test_a_real_subject_is_judged_by_the_guides_model_unless_another_is_named(tmp_path: Path) -> None:
    settings = load(tmp_path, LEAST.replace('"toyworld"', '"meta-llama/Llama-3.1-8B"'))
    assert settings.judge.model == "gpt-4.1-mini"
    assert settings.judge.base_url == "https://api.openai.com/v1"
    assert settings.judge.key_variable == "OPENAI_API_KEY"
    assert settings.judge == settings.author == settings.auditor


def test_author_and_auditor_go_where_the_judge_goes_unless_they_say_otherwise(tmp_path: Path) -> None:
    judge = '[judge]\nmodel = "qwen"\nbase_url = "http://localhost:8000/v1"\n[auditor]\nmodel = "gpt-4.1"'
    settings = load(tmp_path, LEAST + judge)
    assert settings.author == settings.judge
    assert settings.auditor.model == "gpt-4.1"
    assert settings.auditor.base_url == "https://api.openai.com/v1"


def test_another_server_is_not_sent_the_openai_key_unasked(tmp_path: Path) -> None:
    settings = load(tmp_path, LEAST + '[judge]\nmodel = "qwen"\nbase_url = "http://gpu-box:8000/v1"')
    assert settings.judge.key_variable == ""
    named = '[judge]\nmodel = "qwen"\nbase_url = "http://gpu-box:8000/v1"\nkey_variable = "GPU_BOX_KEY"'
    assert load_settings(experiment(tmp_path, LEAST + named, "other")).judge.key_variable == "GPU_BOX_KEY"


def test_every_table_is_read(tmp_path: Path) -> None:
    text = """
version = 1
traits = ["chirp/refusal", "tonal/curt"]
datasets = "../../sets"
seed = 7
variant = "base-8b"
[subject]
model = "models/pythia"
dtype = "bfloat16"
device = "cuda:1"
batch_tokens = 1024
[judge]
model = "gpt-4.1-mini"
concurrency = 64
input_price = 0.4
output_price = 1.6
[caps]
max_rounds = 0
[rules]
pos_threshold = 70
first_k = 3
[toyworld]
flips = 0.07
split_digits = true
[trait."tonal/curt"]
mode = "sustained"
opposite = "answers at length"
negative_test = "absence"
"""
    settings = load(tmp_path, text)
    assert settings.datasets == tmp_path / "sets"
    assert (settings.seed, settings.variant, settings.subject.device) == (7, "base-8b", "cuda:1")
    assert (settings.judge.concurrency, settings.judge.input_price) == (64, 0.4)
    assert settings.caps.max_rounds == 0
    assert (settings.rules.pos_threshold, settings.rules.first_k) == (70.0, 3)
    assert (settings.toyworld.flips, settings.toyworld.split_digits) == (0.07, True)
    assert settings.of("tonal/curt").mode is Mode.SUSTAINED
    assert settings.of("tonal/curt").negative_test is NegativeTest.ABSENCE
    assert settings.of("chirp/refusal").mode is None


def test_options_of_the_command_line_are_laid_over_the_file(tmp_path: Path) -> None:
    options = {
        "caps.max_rounds": 3,
        "rules.first_k": 4,
        "traits": ("tonal/curt",),
        "seed": None,
        "datasets": tmp_path / "elsewhere",
        'trait."tonal/curt".mode': "sustained",
    }
    settings = load_settings(experiment(tmp_path, f"seed = 5\n{LEAST}"), options)
    assert (settings.caps.max_rounds, settings.rules.first_k) == (3, 4)
    assert (settings.traits, settings.seed) == (("tonal/curt",), 5)
    assert settings.datasets == tmp_path / "elsewhere"
    assert settings.of("tonal/curt").mode is Mode.SUSTAINED


@pytest.mark.parametrize("key", ["caps.max_round", "nonsense", "caps.", "a b", "seed.deep"])
def test_an_override_that_names_nothing_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(key.split(".")[0])):
        load_settings(experiment(tmp_path, f"seed = 0\n{LEAST}"), {key: 3})


def test_an_option_that_cannot_be_used_is_named_in_place_of_the_file(tmp_path: Path) -> None:
    folder = experiment(tmp_path, f"{LEAST}[caps]\npilot = 0\n")
    with pytest.raises(SettingsError) as raised:
        load_settings(folder, {"budget.run.usd": -3.0}, {"budget.run.usd": "--max-usd", "caps.pilot": "--pilot"})
    of_file, of_option = sorted(str(raised.value).split("\n"), reverse=True)
    assert of_option == "--max-usd should be greater than or equal to 0."
    assert of_file.startswith(f"{folder / 'refine.toml'}: `caps.pilot` should be")


def test_a_sentence_has_one_mark_at_its_end(tmp_path: Path) -> None:
    said = complaint(tmp_path, "[caps]\ntarge = 3\nxyzzyx = 3\n[cap]\n")
    assert "did you mean `target`?\n" in said
    assert not re.search(r"[.?]{2}$", said, re.MULTILINE)


WRONG = {
    "an unknown key": ("[caps]\nmax_round = 3", "`caps.max_round` is not a setting; did you mean `max_rounds`?"),
    "an unknown table": ("[cap]\nmax_rounds = 3", "`cap` is not a setting; did you mean `caps`?"),
    "a key at the wrong place": ("max_rounds = 3", "`max_rounds` is not a setting; it belongs under [caps]"),
    "an experiment's name": ('experiment = "x"', "`experiment` is not a setting"),
    "text for a number": ('[caps]\nmax_rounds = "3"', "`caps.max_rounds` should be a valid integer"),
    "a fraction for a count": ("[caps]\npilot = 1.5", "`caps.pilot` should be a valid integer"),
    "yes for true": ("[toyworld]\nlogprobs = 1", "`toyworld.logprobs` should be a valid boolean"),
    "a value for a table": ("caps = 3", "`caps` should be an object"),
    "a rate above one": ("[toyworld]\nflips = 1.5", "`toyworld.flips` should be less than or equal to 1"),
    "not a number": ("[rules]\npos_threshold = nan", "`rules.pos_threshold` should be"),
    "a threshold of none": ("[rules]\nneg_threshold = 100", "`rules.neg_threshold` should be less than 100"),
    "thresholds that meet": ("[rules]\nneg_threshold = 60", "`rules.neg_threshold` is 60 and `rules.pos_threshold` 60"),
    "more passes than samples": (
        "[rules]\nlock_in_needed = 5",
        "`rules.lock_in_needed` is 5 and `rules.lock_in_samples`",
    ),
    "a window beyond the text": ("[rules]\nfirst_k = 9\nmax_new_tokens = 8", "`rules.first_k` is 9"),
    "open and closed at once": ("[rules]\ncommitment_limit = 80", "`rules.commitment_limit` is 80.0"),
    "a mode unheard of": ('[trait."chirp/refusal"]\nmode = "decide"', '`trait."chirp/refusal".mode` should be'),
    "a trait not among them": ('[trait."chirp/refusl"]\nmode = "decision"', "did you mean `chirp/refusal`?"),
    "no judge": ('[judge]\nbase_url = "http://localhost:1/v1"', "`judge.model` is missing: name the model"),
    "another version": (
        'version = 2\ntraits = ["a/b"]\n[subject]\nmodel = "x"',
        "`version` should be 1: write version = 1",
    ),
    "no version": ('traits = ["a/b"]\n[subject]\nmodel = "x"', "`version` is missing: write version = 1"),
    "no traits": ('version = 1\n[subject]\nmodel = "x"', "`traits` is missing: write traits ="),
    "an empty list": (
        'version = 1\ntraits = []\n[subject]\nmodel = "x"',
        'no trait yet: `cliffhanger init category/name "what it is" -e ',
    ),
    "the same trait twice": ('version = 1\ntraits = ["a/b", "a/b"]\n[subject]\nmodel = "x"', "names a trait twice"),
    "no subject's model": (
        'version = 1\ntraits = ["a/b"]\n[subject]\ndtype = "float32"',
        "`subject.model` is missing: write",
    ),
    "a variant that climbs": ('variant = ".."', "`variant` has an invalid form: use letters"),
    "a strange device": (
        'version = 1\ntraits = ["a/b"]\n[subject]\nmodel = "x"\ndevice = "gpu"',
        "`subject.device` has",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named_with_its_file_and_its_remedy(tmp_path: Path, text: str, sentence: str) -> None:
    said = complaint(tmp_path, text)
    assert sentence in said
    assert all(line.startswith(str(tmp_path / "experiments" / "demo" / "refine.toml")) for line in said.split("\n"))


def test_a_mistake_is_said_once_and_every_mistake_is_said(tmp_path: Path) -> None:
    said = complaint(tmp_path, '[judge]\nmodel = ""\n[caps]\nmax_round = 1\npilot = 0\n[trait."chirp/refusa"]\n')
    assert [line.split("`")[1] for line in said.split("\n") if "`" in line] == [
        "chirp/refusal",
        "judge.model",
        "caps.pilot",
        "caps.max_round",
    ]


@pytest.mark.parametrize(
    "trait", ["refusal", "a/b/c", "/etc/passwd", "../up", "a/..", "./b", "a/", "a/b ", "a/b\\nc", "a\\\\b/c", "é/b"]
)
def test_a_trait_id_can_only_be_two_safe_folder_names(tmp_path: Path, trait: str) -> None:
    said = complaint(tmp_path, f'version = 1\ntraits = ["{trait}"]\n[subject]\nmodel = "x"')
    assert '`traits.0` has an invalid form: write traits = ["category/name"]' in said
    assert len(said.split("\n")) == 1


@pytest.mark.parametrize("trait", ["chirp/refusal", "a.b/c-d_1", "..a/b..", "A/9"])
def test_a_safe_trait_id_is_taken(tmp_path: Path, trait: str) -> None:
    assert load(tmp_path, LEAST.replace("chirp/refusal", trait)).traits == (trait,)


@pytest.mark.parametrize(
    "line",
    [
        'key_variable = "sk-canary-1234"',
        'key = "sk-canary-1234"',
        'api_key = "sk-canary-1234"',
        'base_url = "https://me:sk-canary-1234@host/v1"',
        'base_url = "https://host/v1?api-version=1&subscription-key=canary-1234"',
        'concurrency = "sk-canary-1234"',
    ],
)
def test_a_key_written_into_the_file_is_refused_and_never_repeated(tmp_path: Path, line: str) -> None:
    said = complaint(tmp_path, f'[judge]\nmodel = "m"\n{line}')
    assert line.split(" ")[0] in said
    assert "canary" not in said


@pytest.mark.parametrize("name", ["refine.toml.txt", "Refine.toml", "refine (1).toml", "refine.TOML", "refined.toml"])
def test_a_file_with_nearly_the_right_name_is_named(tmp_path: Path, name: str) -> None:
    folder = experiment(tmp_path, LEAST)
    (folder / "refine.toml").rename(folder / name)
    with pytest.raises(SettingsError, match=rf"There is no refine.toml in .*, but {re.escape(name)}: rename it"):
        load_settings(folder)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_settings_in_another_encoding_are_named(tmp_path: Path, encoding: str) -> None:
    folder = experiment(tmp_path, LEAST)
    (folder / "refine.toml").write_bytes(LEAST.encode(encoding))
    with pytest.raises(SettingsError, match="refine.toml is not UTF-8 but UTF-16, or no text. Save the file as UTF-8"):
        load_settings(folder)


@pytest.mark.parametrize("altered", [LEAST.encode("utf-8-sig"), LEAST.replace("\n", "\r\n").encode()])
def test_a_mark_and_windows_line_ends_of_the_settings_are_read(tmp_path: Path, altered: bytes) -> None:
    folder = experiment(tmp_path, LEAST)
    (folder / "refine.toml").write_bytes(altered)
    assert load_settings(folder).traits == ("chirp/refusal",)


def test_a_base_url_may_have_a_query_without_a_key(tmp_path: Path) -> None:
    url = "https://host/openai/deployments/gpt?api-version=2024-10-21"
    assert load(tmp_path, LEAST + f'[judge]\nmodel = "gpt"\nbase_url = "{url}"').judge.base_url == url


def test_a_missing_file_says_what_to_write_and_which_experiment_was_meant(tmp_path: Path) -> None:
    experiment(tmp_path, LEAST, "first_run")
    with pytest.raises(
        SettingsError, match="(?s)There is no refine.toml in .*first_rnu.*Did you mean first_run?.*model ="
    ):
        load_settings(tmp_path / "experiments" / "first_rnu")


@pytest.mark.parametrize(
    ("text", "where"), [("version = 1\ntraits = [", "at end of document"), ("a = 1\na = yes\n", "line 2")]
)
def test_broken_toml_is_named_with_its_line(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(SettingsError, match=f"not valid TOML in UTF-8.*{where}"):
        load(tmp_path, text)


def test_a_file_that_is_not_utf_8_is_a_sentence_and_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    folder = experiment(tmp_path, f"\ufeff{LEAST}")
    assert load_settings(folder).seed == 0
    (folder / "refine.toml").write_bytes(LEAST.encode() + b"# caf\xe9\n")
    with pytest.raises(SettingsError, match="not valid TOML in UTF-8"):
        load_settings(folder)


def test_only_what_changes_a_verdict_changes_the_meaning(tmp_path: Path) -> None:
    folder = experiment(tmp_path, f'{LEAST}[judge]\nmodel = "m"\n')
    meaning = load_settings(folder).meaning("chirp/refusal")
    same = {"caps.target": 96, "judge.concurrency": 8, "subject.batch_tokens": 128, 'trait."tonal/curt".mode': "primed"}
    other = {
        "rules.first_k": 4,
        "seed": 1,
        "subject.dtype": "bfloat16",
        "judge.model": "n",
        "author.model": "n",
        "judge.base_url": "http://localhost:1/v1",
        'trait."chirp/refusal".opposite': "complies",
    }
    for key, value in same.items():
        assert load_settings(folder, {key: value}).meaning("chirp/refusal") == meaning, key
    meanings = {load_settings(folder, {key: value}).meaning("chirp/refusal") for key, value in other.items()}
    assert len(meanings | {meaning}) == len(other) + 1
