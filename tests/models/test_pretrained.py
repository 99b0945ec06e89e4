"""Published weights: our models against `transformers`, and files that are not as they should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anatomy.models.bpe import BytePairTokenizer
from anatomy.models.pretrained import PretrainedError, load_bert, load_gpt2

transformers = pytest.importorskip("transformers")

VOCABULARY, CONTEXT = 271, 24


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory) -> tuple[Path, object]:
    """A folder as the hub has it, written by `transformers` with random weights, and its model."""
    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(1)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=48, n_layer=3, n_head=4
    )
    config.bos_token_id = config.eos_token_id = VOCABULARY - 1
    model = transformers.GPT2LMHeadModel(config).eval()
    scramble(model)
    model.save_pretrained(folder)
    tokenizer = BytePairTokenizer.train(
        ["the cat sat on the mat , the cat is here"], VOCABULARY - 1
    )
    BytePairTokenizer(tokenizer.merges, ["<|endoftext|>"]).save(folder)
    return folder, model


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> tuple[Path, object]:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=192,
    )
    model = transformers.BertForPreTraining(config).eval()
    scramble(model)
    model.save_pretrained(folder)
    return folder, model


def scramble(model: torch.nn.Module) -> None:
    """Weights of size 1/√width everywhere, so that no bias or gain can be lost unnoticed."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))


def texts(rows: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(3))


def right_padding(rows: int = 3, length: int = 20) -> torch.Tensor:
    return torch.arange(length) < torch.tensor([length, 7, 13])[:rows, None]


def test_gpt2_computes_the_published_logits(gpt2):
    folder, theirs = gpt2
    ours, _ = load_gpt2(folder)
    with torch.no_grad():
        torch.testing.assert_close(ours(texts()), theirs(texts()).logits, rtol=0, atol=1e-4)


def test_gpt2_with_left_padding_computes_the_published_logits(gpt2):
    folder, theirs = gpt2
    ours, _ = load_gpt2(folder)
    mask = right_padding().flip(1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    with torch.no_grad():
        expected = theirs(texts(), attention_mask=mask.long(), position_ids=positions).logits
        torch.testing.assert_close(ours(texts(), mask)[mask], expected[mask], rtol=0, atol=1e-4)


def test_bert_computes_the_published_logits(bert):
    folder, theirs = bert
    ours = load_bert(folder)
    mask, segments = right_padding(), (torch.arange(20) >= 9).long().expand(3, 20)
    with torch.no_grad():
        hidden = ours.hidden(texts(), mask, segments=segments)
        inner = theirs.bert(texts(), attention_mask=mask.long(), token_type_ids=segments)
        logits = theirs.cls.predictions(inner.last_hidden_state)
    torch.testing.assert_close(hidden[mask], inner.last_hidden_state[mask], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.pooled(hidden), inner.pooler_output, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.logits(hidden)[mask], logits[mask], rtol=0, atol=1e-4)


def test_bert_without_segments_reads_all_as_the_first(bert):
    folder, theirs = bert
    with torch.no_grad():
        expected = theirs(texts()).prediction_logits
        torch.testing.assert_close(load_bert(folder)(texts()), expected, rtol=0, atol=1e-4)


def test_the_first_releases_spell_names_otherwise(gpt2, bert, tmp_path):
    """GPT-2 without `transformer.` but with stored triangles; BERT with gamma and beta."""
    folder = copy(gpt2[0], tmp_path / "gpt2")
    weights = load_file(folder / "model.safetensors")
    old = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
    old["h.0.attn.bias"] = torch.ones(1, 1, CONTEXT, CONTEXT).tril()
    save_file(old, folder / "model.safetensors")
    same(load_gpt2(folder)[0], load_gpt2(gpt2[0])[0])

    folder = copy(bert[0], tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    spelled = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    old = {}
    for name, tensor in weights.items():
        for new, first in spelled.items():
            name = name.replace(new, first)
        old[name] = tensor
    assert old.keys() != weights.keys()
    save_file(old, folder / "model.safetensors")
    same(load_bert(folder), load_bert(bert[0]))


def test_the_tokenizer_comes_along(gpt2):
    _, tokenizer = load_gpt2(gpt2[0])
    assert tokenizer.vocabulary == VOCABULARY
    assert tokenizer.specials == {"<|endoftext|>": VOCABULARY - 1}
    assert tokenizer.decode(tokenizer.encode("the cat 🐈 sat")) == "the cat 🐈 sat"
    assert len(tokenizer.encode("the cat")) < len("the cat")


@pytest.mark.parametrize("left", [0, 7, 1_000, -1])
def test_a_half_written_file_is_one_sentence(gpt2, tmp_path, left):
    folder = copy(gpt2[0], tmp_path / "half")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:left])
    with pytest.raises(PretrainedError, match="damaged, half written"):
        load_gpt2(folder)


def test_a_missing_file_is_named(gpt2, tmp_path):
    folder = copy(gpt2[0], tmp_path / "missing")
    (folder / "merges.txt").unlink()
    with pytest.raises(PretrainedError, match=r"lacks merges\.txt"):
        load_gpt2(folder)


def test_another_model_is_refused(gpt2, bert):
    with pytest.raises(PretrainedError, match="holds a bert model, not gpt2"):
        load_gpt2(copy_tokenizer(gpt2[0], bert[0]))
    with pytest.raises(PretrainedError, match="holds a gpt2 model, not bert"):
        load_bert(gpt2[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": VOCABULARY + 5}, "config.json asks for .*: the vocabularies differ"),
        ({"vocab_size": 260}, "tokenizer has 271 tokens and the model only 260"),
        ({"n_layer": 2}, "has an unknown weight 'blocks.2"),
        ({"n_layer": 4}, "lacks weight 'blocks.3"),
        ({"n_head": 7}, "describes no model: width 48 cannot be divided among 7 heads"),
        ({"n_embd": None}, "describes no model"),
        ({"activation_function": "relu"}, "activation_function = 'relu'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings = False"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(gpt2, tmp_path, change, message):
    folder = copy(gpt2[0], tmp_path / "changed")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PretrainedError, match=message) as caught:
        load_gpt2(folder)
    assert "\n" not in str(caught.value)


def test_a_damaged_tokenizer_is_one_sentence(gpt2, tmp_path):
    folder = copy(gpt2[0], tmp_path / "tokenizer")
    (folder / "merges.txt").write_text("#version: 0.2\nĠ nosuchtoken\n")
    with pytest.raises(PretrainedError, match="damaged or not a pair"):
        load_gpt2(folder)


def test_a_name_that_is_none():
    with pytest.raises(PretrainedError, match="neither a folder nor a name"):
        load_gpt2("nowhere")


def test_offline_is_one_sentence(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PretrainedError, match=r"cannot be reached .*connect to the internet") as e:
        load_gpt2()
    assert "\n" not in str(e.value)


def test_what_the_hub_sends_is_loaded(gpt2, monkeypatch):
    """The download itself is the hub's business; that its folder is used is ours."""
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name: str, file: str) -> str:
        asked.append((name, file))
        return str(gpt2[0] / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    model, _ = load_gpt2()
    same(model, load_gpt2(gpt2[0])[0])
    assert {name for name, _ in asked} == {"openai-community/gpt2"}
    assert {file for _, file in asked} == {
        "model.safetensors",
        "config.json",
        "vocab.json",
        "merges.txt",
    }


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def copy_tokenizer(gpt2: Path, bert: Path) -> Path:
    for name in ("vocab.json", "merges.txt"):
        (bert / name).write_bytes((gpt2 / name).read_bytes())
    return bert


def same(model: torch.nn.Module, other: torch.nn.Module) -> None:
    theirs = other.state_dict()
    assert model.state_dict().keys() == theirs.keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
