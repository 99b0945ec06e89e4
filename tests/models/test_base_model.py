"""The base model's recipe, its step, and what is measured of it."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from anatomy.models.abilities import cloze_accuracy, cloze_chance, guesses, held_out_loss
from anatomy.models.base_model import BaseModel, make_optimizers, step
from anatomy.models.pretraining import cross_entropy
from anatomy.tinyweb import World

TINY = BaseModel(
    width=16, layers=1, heads=2, context=32, steps=30, batch_size=4, learning_rate=0.03
)


def test_equal_recipes_give_equal_weights():
    """The seed decides everything; another seed gives other weights."""
    first, second, other = (replace(TINY, seed=seed, steps=3) for seed in (0, 0, 1))
    models = []
    for recipe in (first, second, other):
        model = recipe.build()
        for _ in recipe.train(model):
            pass
        models.append(model.tokens.weight)
    torch.testing.assert_close(models[0], models[1], rtol=0, atol=0)
    assert not torch.equal(models[0], models[2])


def test_the_recipe_names_the_world_it_reads():
    """What the web tells decides the weights, so it stands in the recipe."""
    recipe = replace(TINY, world_seed=2, more_rare=3, steps=2)
    assert recipe.world == World(2, more_rare=3)
    assert list(recipe.train(recipe.build())) != list(
        (usual := replace(recipe, more_rare=0)).train(usual.build())
    )


def test_training_lowers_the_loss_on_text_it_has_not_read():
    world = World()
    model = TINY.build()
    before = held_out_loss(model, world, batches=4)
    losses = list(TINY.train(model))
    assert len(losses) == TINY.steps
    assert losses[0] == pytest.approx(before, abs=0.3)  # ln V before anything is learned
    assert held_out_loss(model, world, batches=4) < before - 1


@pytest.mark.parametrize("muon", [True, False])
def test_a_step_follows_the_rate(muon):
    """At rate 0 nothing moves; the loss given back is that before the step."""
    recipe = replace(TINY, muon=muon)
    model = recipe.build()
    tokens = torch.randint(9, 100, (2, 8), generator=torch.Generator().manual_seed(0))
    expected = cross_entropy(model(tokens[:, :-1]), tokens[:, 1:]).item()
    before = copy.deepcopy(model.state_dict())
    optimizers = make_optimizers(model, recipe)
    assert step(model, optimizers, tokens, 0.0) == pytest.approx(expected)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    step(model, optimizers, tokens, 1.0)
    assert step(model, optimizers, tokens, 1.0) < expected


def test_a_loss_that_is_no_number_is_refused():
    model = TINY.build()
    with torch.no_grad():
        model.tokens.weight[5] = torch.nan
    with pytest.raises(FloatingPointError, match="learning rate"):
        step(model, make_optimizers(model, TINY), torch.tensor([[1, 5, 3]]))


def test_cloze_reads_the_last_word():
    """A model rigged to say one word is right exactly where that word is the answer."""
    world, tokenizer = World(), TINY.tokenizer()
    clozes = world.cloze("common")
    word = clozes[0].answer
    model = TINY.build()
    rigged = torch.zeros(len(tokenizer))
    rigged[tokenizer.index[word]] = 1.0
    model.logits = lambda hidden: rigged.expand(*hidden.shape[:-1], -1)  # type: ignore[method-assign]
    assert guesses(model, tokenizer, ["the donkey lives in the"]) == [word]
    share = sum(cloze.answer == word for cloze in clozes) / len(clozes)
    assert cloze_accuracy(model, tokenizer, clozes) == pytest.approx(share)
    assert 0 < share < cloze_chance(clozes) < 0.5


def test_choosing_among_words():
    """`among` compares only these, whatever else is likelier."""
    tokenizer = TINY.tokenizer()
    model = TINY.build()
    rigged = torch.zeros(len(tokenizer))
    for rank, word in enumerate(("bad", "good", "the")):
        rigged[tokenizer.index[word]] = float(rank + 1)
    model.logits = lambda hidden: rigged.expand(*hidden.shape[:-1], -1)  # type: ignore[method-assign]
    assert guesses(model, tokenizer, ["review"]) == ["the"]
    assert guesses(model, tokenizer, ["review"], among=("good", "bad")) == ["good"]
