"""What a report shows, in a terminal and in a page."""

import re

from anatomy.classroom.report import COLOURS, FAILED, PASSED, Report, Verdict

REPORT = Report(
    "A title",
    (Verdict("good", True), Verdict("bad <b>", False, "first line\nsecond & last")),
    points=0,
    out_of=3,
    passed=False,
    diagnosis="You did <this> with `a < b`.",
)


def test_plain_text_has_a_mark_for_each_case_and_the_diagnosis_last():
    assert repr(REPORT).splitlines() == [
        "A title · 0 of 3 points",
        "✓ good",
        "✗ bad <b>",
        "    first line",
        "    second & last",
        "→ You did <this> with `a < b`.",
    ]


def test_html_escapes_and_says_the_marks_in_words():
    html = REPORT._repr_html_()
    assert "bad &lt;b&gt;" in html
    assert "second &amp; last" in html
    assert "You did &lt;this&gt; with <code>a &lt; b</code>." in html
    assert 'aria-label="passed"' in html
    assert 'aria-label="failed"' in html
    assert html.count("<div") == html.count("</div>")
    assert html.count("<li") == html.count("</li>") == 2


def luminance(colour: str) -> float:
    channels = [int(part, 16) / 255 for part in re.findall("[0-9a-f]{2}", colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_marks_are_visible_on_white_and_on_dark_and_text_takes_the_pages_colour():
    for background in ("#ffffff", "#14181e"):
        for mark in (PASSED, FAILED):
            lights = sorted([luminance(COLOURS[mark]), luminance(background)])
            assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 3
    html = REPORT._repr_html_()
    assert "color:inherit" in html
    assert set(re.findall(r"(?<!-)color:(#\w+)", html)) == set(COLOURS.values())


def test_a_report_is_true_only_when_everything_passed():
    assert not REPORT
    assert Report("t", (), 3, 3, passed=True)


def test_what_waits_says_whether_the_function_is_missing_or_wrong():
    assert "once it passes its check" in REPORT.waiting
    missing = Report("t", (), 0, 3, passed=False, written=False)
    assert "once it is written and passes its check" in missing.waiting
