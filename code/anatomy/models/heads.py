"""What is put on top of a transformer: judging text for PPO, sorting it into classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.models.actor_critic import Evaluation
from anatomy.models.bert import BERT
from anatomy.models.generation import Generated, generate
from anatomy.models.gpt import GPT
from anatomy.models.packing import (
    following,
    parts,
    prompt_mask,
    rectangle,
    response_logprobs,
    response_mask,
)


def in_full(head: nn.Linear, hidden: Tensor) -> Tensor:
    """head(hidden) (..., D) → (...), in fp32 under autocast too.

    bf16 has three digits: scores and values that differ by less would tie.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        return head(hidden.float()).squeeze(-1)


class TextActorCritic(nn.Module):
    """A GPT as a policy over tokens, with a value for every prefix: what PPO trains in RLHF.

    `generate` acts and `evaluate` judges, as the actor-critics of CartPole do.
    With a `critic` the value is read off a second transformer; without one, off
    the policy's own hidden states, which then serve both.
    Padding is the run of `pad_token` at the left end of a text, and with an `end_token`
    all that follows the first of them in a response: it is not read, and judged as 0.
    """

    def __init__(
        self,
        policy: GPT,
        critic: GPT | None = None,
        *,
        pad_token: int,
        end_token: int | None = None,
    ) -> None:
        super().__init__()
        if critic is policy:
            raise ValueError("leave the critic out to share the policy's hidden states")
        self.policy = policy
        self.critic = critic
        self.value = nn.Linear((critic or policy).config.width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        self.pad_token = pad_token
        self.end_token = end_token

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation:
        """Judge response tokens `actions` (B, T) inside texts `observations` (B, P + T)."""
        mask = self._responses(observations, actions)
        logprobs, values, entropy, rows = [], [], [], []
        for part in parts(observations, mask, pad_token=self.pad_token):
            read, before = part.tokens[:, :-1], part.before[:, :-1]  # nothing follows the last
            hidden = self.policy.hidden(read)[before]  # (n, D) before each response token
            all_logprobs = F.log_softmax(self.policy.logits(hidden).float(), dim=-1)  # (n, V)
            logprobs.append(all_logprobs.gather(-1, following(part)[:, None]).squeeze(-1))
            entropy.append(-(all_logprobs.exp() * all_logprobs).sum(-1))
            if self.critic is not None:
                hidden = self.critic.hidden(read)[before]
            values.append(in_full(self.value, hidden))
            rows.append(part.rows)
        return Evaluation(*(rectangle(each, rows, mask) for each in (logprobs, values, entropy)))

    def logprobs(self, observations: Tensor, actions: Tensor) -> Tensor:
        """log π of the response tokens alone: (B, T)."""
        mask = self._responses(observations, actions)
        return response_logprobs(self.policy, observations, mask, pad_token=self.pad_token)

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """V before each response token alone: (B, T)."""
        mask = self._responses(observations, actions)
        values, rows = [], []
        for part in parts(observations, mask, pad_token=self.pad_token):
            hidden = (self.critic or self.policy).hidden(part.tokens[:, :-1])
            values.append(in_full(self.value, hidden[part.before[:, :-1]]))
            rows.append(part.rows)
        return rectangle(values, rows, mask)

    def _responses(self, observations: Tensor, actions: Tensor) -> Tensor:
        if actions.shape[1] >= observations.shape[1]:
            raise ValueError(
                f"texts of {observations.shape[1]} tokens leave no prompt before "
                f"{actions.shape[1]} actions"
            )
        if self.end_token is None:
            return torch.ones_like(actions, dtype=torch.bool)
        return response_mask(actions, self.end_token)

    def generate(
        self, prompts: Tensor, steps: int, *, end_token: int, generator: torch.Generator
    ) -> Generated:
        """Continue prompts (B, P) by up to `steps` tokens: texts (B, P + T), mask and logprobs."""
        return generate(
            self.policy,
            prompts,
            steps,
            generator=generator,
            mask=prompt_mask(prompts, self.pad_token),
            stop_tokens=[end_token],
        )


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
