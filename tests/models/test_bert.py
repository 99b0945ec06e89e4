"""BERT: what is hidden and how often, the text in one vector, fine-tuning."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from anatomy.models.bert import BERT, IGNORE, BERTConfig, mask_tokens
from anatomy.models.heads import Classifier
from anatomy.models.pretraining import cross_entropy
from anatomy.runtime import make_generator

MASK, VOCABULARY = 3, 50
SHAPE = BERTConfig.like_bert(VOCABULARY, context=12, width=16, layers=1, heads=2)


def masked(rows: int = 1_000, length: int = 100, **options):
    tokens = torch.full((rows, length), 40)
    generator = make_generator(11)
    return tokens, mask_tokens(
        tokens, mask_token=MASK, vocabulary=VOCABULARY, generator=generator, **options
    )


def test_fifteen_percent_are_chosen_and_80_10_10_of_these():
    """χ² on 10⁵ tokens: hidden 12 %, replaced 1.5 %, left 1.5 %, not chosen 85 %."""
    tokens, (read, targets) = masked()
    chosen = targets != IGNORE
    hidden = chosen & (read == MASK)
    left = chosen & (read == tokens)
    replaced = chosen & ~hidden & ~left
    # one in 50 of the replacements is the mask token, one the token itself
    share = [0.12 + 0.015 / 50, 0.015 + 0.015 / 50, 0.015 * 48 / 50, 0.85]
    counts = torch.tensor([hidden.sum(), left.sum(), replaced.sum(), (~chosen).sum()])
    assert stats.chisquare(counts, [1e5 * part for part in share]).pvalue > 0.01
    assert (targets[chosen] == 40).all()
    assert (read[~chosen] == 40).all()


def test_replacements_are_any_token():
    tokens, (read, targets) = masked(3_000)
    replaced = read[(targets != IGNORE) & (read != MASK) & (read != tokens)]
    counts = torch.bincount(replaced, minlength=VOCABULARY)
    others = [token for token in range(VOCABULARY) if token not in (MASK, 40)]
    assert stats.chisquare(counts[others]).pvalue > 0.01


def test_what_is_kept_is_never_chosen():
    keep = torch.zeros(1_000, 100, dtype=torch.bool)
    keep[:, 0] = keep[:, -1] = True
    tokens, (read, targets) = masked(keep=keep)
    assert (targets[:, [0, -1]] == IGNORE).all()
    assert torch.equal(read[:, [0, -1]], tokens[:, [0, -1]])
    assert (targets[:, 1] != IGNORE).any()


def test_masking_is_repeatable_and_leaves_its_argument():
    tokens, first = masked(20)
    _, again = masked(20)
    assert torch.equal(first.tokens, again.tokens)
    assert (tokens == 40).all()


def test_the_loss_is_that_of_the_chosen_tokens():
    """A model that knows nothing pays ln V per chosen token, whatever the rest."""
    _, (read, targets) = masked(4, 10)
    logits = torch.zeros(4, 10, VOCABULARY)
    logits[targets == IGNORE] = torch.randn(VOCABULARY) * 50
    assert cross_entropy(logits, targets).item() == pytest.approx(
        torch.tensor(float(VOCABULARY)).log().item(), rel=1e-5
    )
    assert read.shape == targets.shape


def test_pooled_reads_the_first_token_after_all_layers():
    model = BERT(SHAPE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        tokens = torch.randint(VOCABULARY, (2, 8))
        hidden = model.hidden(tokens)
        vector = model.pooled(hidden)
        other = hidden.clone()
        other[:, 1:] = 0
        assert torch.equal(vector, model.pooled(other))
        expected = torch.tanh(hidden[:, 0] @ model.pooler.weight.T + model.pooler.bias)
        torch.testing.assert_close(vector, expected)
        segments = (torch.arange(8) > 3).long().expand(2, 8)
        assert not torch.allclose(model.hidden(tokens, segments=segments), hidden)


@pytest.mark.learning
def test_the_classifier_learns_which_sign_occurs():
    torch.manual_seed(1)
    model = Classifier(BERT(SHAPE), 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    g = make_generator(2)
    for _ in range(60):
        tokens = torch.randint(10, VOCABULARY, (64, 8), generator=g)
        labels = torch.randint(2, (64,), generator=g)
        tokens[torch.arange(64), torch.randint(1, 8, (64,), generator=g)] = 5 + labels
        loss = torch.nn.functional.cross_entropy(model(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(tokens).argmax(-1) == labels).float().mean() > 0.95


def test_the_published_sizes():
    config = BERTConfig.bert("base")
    with torch.device("meta"):
        model = BERT(config)
    heads = ("transform", "output_bias", "pooler")
    encoder = [p for n, p in model.named_parameters() if not n.startswith(heads)]
    pooler = sum(p.numel() for p in model.pooler.parameters())
    assert sum(p.numel() for p in encoder) + pooler == 109_482_240
    with pytest.raises(ValueError, match="sizes base, large, not 'huge'"):
        BERTConfig.bert("huge")
