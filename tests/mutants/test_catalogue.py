"""The list of planted faults does not rot: each fits the code as it is, once."""

from pathlib import Path

import pytest

from tests.mutants.catalogue import Mutant, catalogue

ROOT = Path(__file__).resolve().parents[2]


def test_no_two_have_one_name() -> None:
    names = [mutant.name for mutant in catalogue()]
    assert len(names) == len(set(names)) > 40


def test_each_is_planted_in_the_code_as_it_is() -> None:
    for mutant in catalogue():
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert compile(mutant.planted(text), mutant.file, "exec"), mutant.name


def test_a_text_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="2 times"):
        Mutant("m", "services/x.py", "a", "b").planted("aa")
