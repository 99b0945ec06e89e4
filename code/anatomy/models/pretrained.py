"""Published weights: GPT-2 and BERT as their authors released them, in our blocks.

A name such as `openai-community/gpt2` is fetched from the Hugging Face hub (once;
`huggingface_hub` keeps it), a folder is read where it is. Only safetensors are
read, because loading the older pickle files can execute what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from anatomy.models.bert import BERT, BERTConfig
from anatomy.models.bpe import BytePairTokenizer
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.transformer import Transformer

GPT2 = "openai-community/gpt2"
BERT_BASE = "google-bert/bert-base-uncased"
WEIGHTS = "model.safetensors"

Model = TypeVar("Model", bound=Transformer)


class PretrainedError(ValueError):
    """Published weights that cannot be used, and why, in one sentence."""


def load_gpt2(source: str | Path = GPT2) -> tuple[GPT, BytePairTokenizer]:
    """GPT-2 and its tokenizer, from the hub or from a folder with the same files.

    Raises PretrainedError when the machine is offline and has no copy, and for
    files that are missing, damaged, of another model or that do not fit together.
    """
    folder = fetch(source, [WEIGHTS, "config.json", "vocab.json", "merges.txt"])
    published = read_json(folder / "config.json")
    expect_kind(published, "gpt2", folder)
    config = read_config(
        folder,
        published,
        lambda p: GPTConfig.like_gpt2(
            p["vocab_size"],
            context=p["n_positions"],
            width=p["n_embd"],
            layers=p["n_layer"],
            heads=p["n_head"],
        ),
    )
    for name, value in {
        "n_inner": (None, 4 * config.width),
        "activation_function": ("gelu_new",),
        "layer_norm_epsilon": (config.epsilon,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "tie_word_embeddings": (True,),
    }.items():
        expect(published, name, value, folder)
    try:
        tokenizer = BytePairTokenizer.load(folder)
    except ValueError as error:
        raise PretrainedError(str(error)) from None
    if tokenizer.vocabulary > config.vocabulary:
        raise PretrainedError(
            f"{folder}: the tokenizer has {tokenizer.vocabulary} tokens and the model only "
            f"{config.vocabulary}: they do not belong together"
        )
    weights = gpt2_weights(read_weights(folder / WEIGHTS))
    return fill(GPT, config, weights, folder), tokenizer


def load_bert(source: str | Path = BERT_BASE) -> BERT:
    """BERT, from the hub or from a folder with the same files; raises as `load_gpt2` does."""
    folder = fetch(source, [WEIGHTS, "config.json"])
    published = read_json(folder / "config.json")
    expect_kind(published, "bert", folder)
    config = read_config(
        folder,
        published,
        lambda p: BERTConfig.like_bert(
            p["vocab_size"],
            context=p["max_position_embeddings"],
            width=p["hidden_size"],
            layers=p["num_hidden_layers"],
            heads=p["num_attention_heads"],
        ),
    )
    for name, value in {
        "intermediate_size": (4 * config.width,),
        "hidden_act": ("gelu",),
        "layer_norm_eps": (config.epsilon,),
        "type_vocab_size": (config.segments,),
        "tie_word_embeddings": (True,),
    }.items():
        expect(published, name, value, folder)
    weights = bert_weights(read_weights(folder / WEIGHTS), config.width)
    return fill(BERT, config, weights, folder)


def gpt2_weights(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's names as ours; their `Conv1D` holds a matrix as (in, out), our Linear (out, in)."""
    names = {
        "wte": "tokens",
        "wpe": "positions",
        "ln_f": "norm",
        "ln_1": "norm1",
        "ln_2": "norm2",
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.out",
        "mlp.c_fc": "mlp.up",
        "mlp.c_proj": "mlp.down",
        "h": "blocks",
    }
    ours = {}
    for name, tensor in published.items():
        name = name.removeprefix("transformer.")
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue  # the embedding once more; the triangle, stored as a buffer
        if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            tensor = tensor.T
        ours[rename(name, names)] = tensor
    return ours


def bert_weights(published: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """Google's names as ours; queries, keys and values become one matrix.

    The first releases call a normalisation's gain `gamma` and its bias `beta`. The
    head of next-sentence prediction is left out. A checkpoint that was saved
    without pooler or masked-language head gets zeros there.
    """
    names = {
        "embeddings.word_embeddings": "tokens",
        "embeddings.position_embeddings": "positions",
        "embeddings.token_type_embeddings": "segments",
        "embeddings.LayerNorm": "norm",
        "encoder.layer": "blocks",
        "attention.output.dense": "attention.out",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "mlp.up",
        "output.dense": "mlp.down",
        "output.LayerNorm": "norm2",
        "cls.predictions.transform.dense": "transform",
        "cls.predictions.transform.LayerNorm": "transform_norm",
        "cls.predictions.bias": "output_bias",
        "pooler.dense": "pooler",
    }
    ours, parts = {}, {}
    for name, tensor in published.items():
        name = name.removeprefix("bert.")
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        name = name.replace("LayerNorm.beta", "LayerNorm.bias")
        if ".decoder." in name or "seq_relationship" in name or name.endswith("position_ids"):
            continue  # the embedding and the output bias once more; next-sentence prediction
        if ".attention.self." in name:
            parts[rename(name, names)] = tensor
        else:
            ours[rename(name, names)] = tensor
    for name in [name for name in parts if ".self.query." in name]:
        qkv = [parts.get(name.replace("query", part)) for part in ("query", "key", "value")]
        if all(tensor is not None for tensor in qkv):
            ours[name.replace("self.query", "qkv")] = torch.cat(qkv)  # type: ignore[arg-type]
    for part in ("transform", "pooler"):
        if f"{part}.weight" not in ours:
            ours[f"{part}.weight"] = torch.zeros(width, width)
            ours[f"{part}.bias"] = torch.zeros(width)
    ours.setdefault("transform_norm.weight", torch.ones(width))
    ours.setdefault("transform_norm.bias", torch.zeros(width))
    if "output_bias" not in ours and "tokens.weight" in ours:
        ours["output_bias"] = torch.zeros(len(ours["tokens.weight"]))
    return ours


def rename(name: str, names: dict[str, str]) -> str:
    """Replace what `names` lists at dotted places of `name`, longest first."""
    dotted = f".{name}."
    for theirs in sorted(names, key=len, reverse=True):
        dotted = dotted.replace(f".{theirs}.", f".{names[theirs]}.", 1)
    return dotted.strip(".")


def fetch(source: str | Path, files: list[str]) -> Path:
    """The folder that holds `files`: `source` itself, or what the hub sends for that name."""
    folder = Path(source)
    if folder.is_dir():
        missing = [name for name in files if not (folder / name).is_file()]
        if missing:
            raise PretrainedError(f"{folder} lacks {', '.join(missing)}")
        return folder
    if not isinstance(source, str) or source.count("/") != 1 or source.startswith((".", "/")):
        raise PretrainedError(f"{source} is neither a folder nor a name such as {GPT2!r}")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise PretrainedError(
            f"fetching {source} needs a package more: pip install huggingface_hub"
        ) from None
    try:
        paths = [hf_hub_download(source, name) for name in files]
    except Exception as error:  # the hub's errors share no class of their own
        raise PretrainedError(explain_download(source, error)) from None
    return Path(paths[0]).parent


def explain_download(source: str, error: Exception) -> str:
    """One sentence for why the hub sent nothing."""
    kind = type(error).__name__
    if kind in ("RepositoryNotFoundError", "GatedRepoError", "HFValidationError"):
        return f"the Hugging Face hub has no public model {source!r}"
    if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
        return f"{source} on the Hugging Face hub has no weights in the form that is read here"
    return (
        f"{source} is not on this machine and the Hugging Face hub cannot be reached ({kind}): "
        "connect to the internet once, or name a folder with the files"
    )


def read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise PretrainedError(f"{path} is not readable JSON ({error}): fetch it again") from None
    if not isinstance(data, dict):
        raise PretrainedError(f"{path} does not describe a model")
    return data


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, in float32."""
    # imported here: learning itself needs no safetensors
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise PretrainedError(
            f"{path} is damaged, half written or no safetensors file ({error}): fetch it again"
        ) from None


def read_config(
    folder: Path, published: dict[str, Any], make: Callable[[dict[str, Any]], Any]
) -> Any:
    """Our configuration from the published one."""
    try:
        return make(published)
    except KeyError as error:
        raise PretrainedError(f"{folder}/config.json does not say {error}") from None
    except (TypeError, ValueError) as error:
        raise PretrainedError(f"{folder}/config.json describes no model: {error}") from None


def expect_kind(published: dict[str, Any], kind: str, folder: Path) -> None:
    if published.get("model_type") != kind:
        raise PretrainedError(f"{folder} holds a {published.get('model_type')} model, not {kind}")


def expect(published: dict[str, Any], name: str, values: tuple[Any, ...], folder: Path) -> None:
    """Refuse a variant that our blocks do not compute."""
    if published.get(name, values[0]) not in values:
        raise PretrainedError(
            f"{folder}: this variant has {name} = {published[name]!r}; "
            f"our blocks compute {values[-1]!r}"
        )


def fill(
    model_class: Callable[[Any], Model], config: Any, weights: dict[str, Tensor], folder: Path
) -> Model:
    """The model with these weights, after a check that they are exactly its weights."""
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in model_class(config).state_dict().items()}
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights or name not in expected:
            verb = "lacks" if name not in weights else "has an unknown"
            raise PretrainedError(
                f"{folder / WEIGHTS} {verb} weight {name!r}: another model's file?"
            )
        if weights[name].shape != expected[name]:
            hint = ": the vocabularies differ" if name in ("tokens.weight", "output_bias") else ""
            raise PretrainedError(
                f"{folder / WEIGHTS}: {name!r} is {tuple(weights[name].shape)}, but config.json "
                f"asks for {tuple(expected[name])}{hint}"
            )
    model = model_class(config)
    model.load_state_dict(weights)
    return model.eval()
