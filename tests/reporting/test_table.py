"""Tables say the same in a notebook and in a terminal."""

import pytest

from anatomy.reporting import table


def test_text_and_markdown_of_a_small_table() -> None:
    shown = table([{"loss": "clip", "KL": 0.00312, "n": 20}, {"loss": "none", "KL": 1.026, "n": 7}])
    assert repr(shown).splitlines() == ["loss       KL   n", "clip  0.00312  20", "none     1.03   7"]
    assert shown._repr_mimebundle_()["text/markdown"].splitlines() == [
        "| loss | KL | n |",
        "| --- | ---: | ---: |",
        "| clip | 0.00312 | 20 |",
        "| none | 1.03 | 7 |",
    ]


def test_a_bar_in_a_cell_does_not_split_it() -> None:
    assert "π(a\\|s)" in table([{"what": "π(a|s)"}])._repr_mimebundle_()["text/markdown"]


def test_rows_that_do_not_fit_are_refused_by_number() -> None:
    with pytest.raises(ValueError, match="row 1 has the columns"):
        table([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match="at least one row"):
        table([])
