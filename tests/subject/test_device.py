"""subject.device: every value the settings accept becomes a torch device, or a sentence where it is not there."""

from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from agent.config.settings import SubjectSettings
from agent.subject.generation import with_float64
from agent.subject.model import choose_device
from agent.subject.weights import SubjectError


@pytest.mark.parametrize(
    ("setting", "cuda_devices", "has_mps", "device"),
    [
        ("cpu", 2, True, "cpu"),
        ("cuda", 1, False, "cuda"),
        ("cuda:0", 1, False, "cuda:0"),
        ("cuda:11", 12, False, "cuda:11"),
        ("mps", 0, True, "mps"),
        ("auto", 2, False, "cuda"),
        ("auto", 0, False, "cpu"),
        ("auto", 0, True, "cpu"),
    ],
)
def test_a_device_that_is_there_is_used(setting: str, cuda_devices: int, has_mps: bool, device: str) -> None:
    assert SubjectSettings(model="m", device=setting).device == setting
    assert choose_device(setting, cuda_devices, has_mps) == device


@pytest.mark.parametrize(
    ("setting", "cuda_devices", "sentence"),
    [
        ("cuda", 0, 'no CUDA device: set subject.device to "cpu"'),
        ("cuda:0", 0, 'no CUDA device: set subject.device to "cpu"'),
        ("cuda:2", 2, "no cuda:2: set subject.device to one of cuda:0, cuda:1."),
        ("mps", 1, 'no MPS device .*: set subject.device to "cpu"'),
    ],
)
def test_a_device_that_is_not_there_is_a_sentence_with_the_choices(
    setting: str, cuda_devices: int, sentence: str
) -> None:
    assert SubjectSettings(model="m", device=setting).device == setting
    with pytest.raises(SubjectError, match=sentence):
        choose_device(setting, cuda_devices, has_mps=False)


@pytest.mark.parametrize("setting", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "mps:0", "cuda:²", "cuda:٣"])
def test_settings_and_subject_refuse_the_same_words(setting: str) -> None:
    with pytest.raises(ValidationError):
        SubjectSettings(model="m", device=setting)
    with pytest.raises(SubjectError, match="set it to auto, cpu, cuda"):
        choose_device(setting, 4, has_mps=True)


@dataclass(frozen=True)
class Tensor:
    """Says where it lies, as a tensor does."""

    type: str

    @property
    def device(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return Tensor("cpu")


def test_only_tensors_on_mps_are_copied_for_64_bit_floats() -> None:
    assert with_float64(Tensor("mps")) == Tensor("cpu")
    cuda = Tensor("cuda")
    assert with_float64(cuda) is cuda
