"""The masked sister of the base model: its training, its fine-tuning, and Gibbs sampling."""

from __future__ import annotations

import torch

from anatomy.models.base_model import BaseModel
from anatomy.models.heads import Classifier
from anatomy.models.masked_model import MaskedModel, classes, finetune, gibbs, hide, pad_texts
from anatomy.runtime import initial_weights, make_generator
from anatomy.tinyweb import tokenizer_of
from anatomy.tinyweb.world import World

TINY = BaseModel(
    width=16, layers=1, heads=2, context=32, steps=30, batch_size=4, learning_rate=0.03
)


def test_it_learns_to_guess_hidden_words():
    recipe = MaskedModel(TINY)
    losses = list(recipe.train(recipe.build()))
    assert len(losses) == 30
    assert sum(losses[-5:]) < sum(losses[:5]) - 5 * 0.7


def test_the_mark_of_the_text_is_never_hidden():
    tokenizer = tokenizer_of(World())
    tokens = torch.full((50, 40), tokenizer.eos_id)
    tokens[:, ::2] = 20
    read, targets = hide(tokens, tokenizer, make_generator(0))
    assert (read[:, 0] == tokenizer.cls_id).all()
    assert (targets[:, 0] == -100).all()
    assert (targets[:, 2::2] == -100).all()  # <eos> neither
    chosen = (targets[:, 1::2] == 20).float().mean()
    assert 0.12 < chosen < 0.18


def test_padding_changes_no_class():
    tokenizer = tokenizer_of(World())
    with initial_weights(0):
        classifier = Classifier(MaskedModel(TINY).build(), 2).eval()
    alone, mask = pad_texts(tokenizer, ["the tea was cold ."])
    with torch.no_grad():
        expected = classifier(alone, mask)
        both, mask = pad_texts(tokenizer, ["the tea was cold .", "the tea at the mill was cold ."])
        torch.testing.assert_close(classifier(both, mask)[:1], expected, atol=1e-5, rtol=1e-5)


def test_finetuning_learns_a_word():
    tokenizer = tokenizer_of(World())
    texts = ["the tea was cold .", "the tea was dirty ."] * 4
    tokens, mask = pad_texts(tokenizer, texts)
    labels = torch.tensor([0, 1] * 4)
    with initial_weights(0):
        classifier = Classifier(MaskedModel(TINY).build(), 2)
    finetune(
        classifier, tokens, mask, labels, steps=60, learning_rate=5e-3, generator=make_generator(0)
    )
    assert classes(classifier, tokens, mask).tolist() == labels.tolist()


def test_gibbs_draws_only_what_is_free_and_allowed():
    """Fixed tokens stay, forbidden ones never come, and a rigged model's word is written."""
    model = MaskedModel(TINY).build()
    V = model.config.vocabulary
    rigged = torch.full((V,), -30.0)
    rigged[11], rigged[12] = 5.0, 9.0  # 12 is likelier, and forbidden
    model.logits = lambda hidden: rigged.expand(*hidden.shape[:-1], -1).clone()  # type: ignore[method-assign]
    tokens = torch.full((3, 5), 8)
    fixed = torch.zeros(3, 5, dtype=torch.bool)
    fixed[:, 0] = True
    sweeps = list(
        gibbs(
            model,
            tokens,
            fixed,
            sweeps=2,
            mask_token=8,
            forbidden=[12],
            generator=make_generator(0),
        )
    )
    assert len(sweeps) == 2
    assert (sweeps[0][:, 0] == 8).all()
    assert (sweeps[0][:, 1:] == 11).all()
    assert (tokens == 8).all()  # what was given is not written over
