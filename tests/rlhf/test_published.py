"""Published comparisons: the format of HH-RLHF, and files that are not as they should be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from anatomy.rlhf.published import (
    Comparison,
    PublishedDataError,
    load_comparisons,
    split_pair,
)

ONE = {
    "chosen": "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: 2 + 2?\n\nAssistant: It is 4.",
    "rejected": "\n\nHuman: Hello\n\nAssistant: Hi.\n\nHuman: 2 + 2?\n\nAssistant: It is 5.",
}


def write(folder: Path, lines: list[str], name: str = "helpful-base/train.jsonl.gz") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    return file


def test_the_prompt_ends_with_the_last_turn_that_both_share():
    found = split_pair(ONE)
    assert found.prompt.endswith("2 + 2?\n\nAssistant:")
    assert (found.preferred, found.rejected) == (" It is 4.", " It is 5.")


def test_dialogues_that_part_early_are_cut_where_they_part():
    found = split_pair(
        {
            "chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
            "rejected": "\n\nHuman: a\n\nAssistant: x\n\nHuman: y\n\nAssistant: d",
        }
    )
    assert found == Comparison(
        "\n\nHuman: a\n\nAssistant:",
        " b\n\nHuman: c\n\nAssistant: d",
        " x\n\nHuman: y\n\nAssistant: d",
    )


def test_a_folder_with_the_hub_s_layout_is_read(tmp_path):
    write(tmp_path, [json.dumps(ONE)] * 3)
    assert load_comparisons(tmp_path) == [split_pair(ONE)] * 3
    assert len(load_comparisons(tmp_path, limit=2)) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2 holds no comparison"),
        ('{"chosen": "a"}', "line 2 holds no comparison: 'rejected'"),
        ('{"chosen": "a", "rejected": "b"}', "share no turn"),
        ('{"chosen": 1, "rejected": "b"}', "line 2 holds no comparison"),
        ("[]", "line 2 holds no comparison"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, reason):
    write(tmp_path, [json.dumps(ONE), line])
    with pytest.raises(PublishedDataError, match=reason):
        load_comparisons(tmp_path)


def test_a_half_written_download_says_so(tmp_path):
    file = write(tmp_path, [json.dumps({**ONE, "n": i}) for i in range(500)])
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(PublishedDataError, match="half written"):
        load_comparisons(tmp_path)
    whole = write(tmp_path, [json.dumps({**ONE, "n": i}) for i in range(500)]).read_bytes()
    for place in range(10, len(whole), 7):  # whichever byte is not what it was
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(PublishedDataError):
            load_comparisons(tmp_path)
    file.write_bytes(b"plain text")
    with pytest.raises(PublishedDataError, match="damaged"):
        load_comparisons(tmp_path)


def test_wrong_names_say_what_there_is(tmp_path, monkeypatch):
    with pytest.raises(PublishedDataError, match="has the parts helpful-base"):
        load_comparisons(tmp_path, part="harmful")
    with pytest.raises(PublishedDataError, match="splits train and test"):
        load_comparisons(tmp_path, split="dev")
    with pytest.raises(PublishedDataError, match=r"lacks helpful-base/train\.jsonl\.gz"):
        load_comparisons(tmp_path)
    with pytest.raises(PublishedDataError, match="neither a folder nor a name"):
        load_comparisons("nowhere")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PublishedDataError, match="connect to the internet once"):
        load_comparisons("anatomy-tests/there-is-no-such-data-set")
