"""Tables say the same in a notebook and in a terminal."""

import pytest

from anatomy.reporting import table


def test_text_and_markdown_of_a_small_table() -> None:
    rows = [("clip", 0.00312, 20), ("none", 1.026, 7)]
    shown = table([{"loss": loss, "KL": kl, "n": n} for loss, kl, n in rows])
    assert repr(shown).splitlines() == [
        "loss       KL   n",
        "clip  0.00312  20",
        "none     1.03   7",
    ]
    assert shown._repr_mimebundle_()["text/markdown"].splitlines() == [
        "| loss | KL | n |",
        "| --- | ---: | ---: |",
        "| clip | 0.00312 | 20 |",
        "| none | 1.03 | 7 |",
    ]


def test_a_thousand_is_written_alike_from_both_sides() -> None:
    shown = table([{"n": value} for value in (999.4, 999.7, 1000.2)])
    assert repr(shown).split()[1:] == ["999", "1,000", "1,000"]


def test_a_bar_in_a_cell_does_not_split_it() -> None:
    assert "π(a\\|s)" in table([{"what": "π(a|s)"}])._repr_mimebundle_()["text/markdown"]


def test_rows_that_do_not_fit_are_refused_by_number() -> None:
    with pytest.raises(ValueError, match="row 1 has the columns"):
        table([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match="at least one row"):
        table([])
