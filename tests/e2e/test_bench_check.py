"""The comparison of instruction counts that `make bench-check` makes: what passes, and what fails it."""

import pytest

from bench_check import compare

KEPT = {"decide": 1000, "verify": 20_000}


@pytest.mark.parametrize("counted", [KEPT, {"decide": 1050, "verify": 20_000}, {"decide": 10, "verify": 20_000}])
def test_what_grew_by_up_to_5_percent_or_shrank_passes(counted):
    lines, wrong = compare(KEPT, counted)
    assert len(lines) == 2
    assert wrong == []


def test_what_grew_by_more_is_named_with_both_counts():
    _, wrong = compare(KEPT, {"decide": 1051, "verify": 20_000})
    assert wrong == ["decide: 1,051 instructions, 5.1 % more than the 1,000 that are kept; up to 5 % is allowed"]


def test_a_path_that_is_counted_on_one_side_only_is_wrong():
    _, wrong = compare(KEPT, {"decide": 1000, "answer": 5})
    assert wrong == ["verify: no longer counted", "answer: not kept yet"]
