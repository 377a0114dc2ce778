"""A judge that errs in one answer of twenty does not decide what is accepted. More rates: `python -m tests.bench`."""

from pathlib import Path

import pytest

from tests.bench.noise import Errors, noisy

SMALL = ("--pilot", "6", "--batch", "12", "--target", "8")


@pytest.mark.slow
def test_under_five_percent_of_flips_and_of_systematic_errors_a_small_set_ends_ready_and_hardly_a_text_is_bad(
    tmp_path: Path,
) -> None:
    (noisy_run,) = noisy(0, Errors(0.05, 0.05), tmp_path / "demo", *SMALL, traits=["toy/refusal"])
    assert noisy_run.ready
    assert noisy_run.bad <= 1  # of some twenty texts; shares of many are the benchmark's
    assert noisy_run.edited == 0 < noisy_run.good
