"""What is put on top of a transformer: judging text for PPO, sorting it into classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.models.actor_critic import Evaluation
from anatomy.models.bert import BERT
from anatomy.models.generation import generate
from anatomy.models.gpt import GPT


def prompt_mask(texts: Tensor, pad_token: int) -> Tensor:
    """True from the first token of each row that is not `pad_token` on: (B, S) → (B, S).

    Only the leading run is padding. The same token later in a text is a token.
    """
    return (texts != pad_token).cumsum(dim=1) > 0


class TextActorCritic(nn.Module):
    """A GPT as a policy over tokens, with a value for every prefix: what PPO trains in RLHF.

    `generate` acts and `evaluate` judges, as the actor-critics of CartPole do.
    With a `critic` the value is read off a second transformer; without one, off
    the policy's own hidden states, which then serve both.
    Padding is the run of `pad_token` at the left end of a text.
    """

    def __init__(self, policy: GPT, critic: GPT | None = None, *, pad_token: int) -> None:
        super().__init__()
        if critic is policy:
            raise ValueError("leave the critic out to share the policy's hidden states")
        self.policy = policy
        self.critic = critic
        self.value = nn.Linear((critic or policy).config.width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        self.pad_token = pad_token

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation:
        """Judge response tokens `actions` (B, T) inside texts `observations` (B, P + T)."""
        steps = actions.shape[1]
        if steps >= observations.shape[1]:
            raise ValueError(
                f"texts of {observations.shape[1]} tokens leave no prompt before {steps} actions"
            )
        read = observations[:, :-1]  # nothing follows the last token
        mask = prompt_mask(read, self.pad_token)
        hidden = self.policy.hidden(read, mask)[:, -steps:]  # (B, T, D) before each action
        logits = self.policy.logits(hidden).float()  # (B, T, V), of the response only
        all_logprobs = F.log_softmax(logits, dim=-1)
        logprobs = all_logprobs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
        entropy = -(all_logprobs.exp() * all_logprobs).sum(-1)
        if self.critic is not None:
            hidden = self.critic.hidden(read, mask)[:, -steps:]
        values = self.value(hidden).squeeze(-1).float()
        return Evaluation(logprobs, values, entropy)

    def generate(
        self, prompts: Tensor, steps: int, *, end_token: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Continue prompts (B, P) by up to `steps` tokens: texts (B, P + T) and mask (B, T)."""
        texts, mask, _ = generate(
            self.policy,
            prompts,
            steps,
            generator=generator,
            mask=prompt_mask(prompts, self.pad_token),
            stop_tokens=[end_token],
        )
        return texts, mask


class Classifier(nn.Module):
    """BERT to be fine-tuned: the vector of [CLS] and one linear map.

    Devlin et al. (2019), section 4.1.
    """

    def __init__(self, bert: BERT, classes: int) -> None:
        super().__init__()
        self.bert = bert
        self.head = nn.Linear(bert.config.width, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None
    ) -> Tensor:
        """Logits of the classes of each text: (B, T) → (B, classes)."""
        return self.head(self.bert.pooled(self.bert.hidden(tokens, mask, segments=segments)))
