"""The exercises of chapter 5, PPO."""

from anatomy.classroom.chapter_05.advantages import EXPONENT, GAE
from anatomy.classroom.chapter_05.clipping import CLIP
from anatomy.classroom.chapter_05.kl_controller import KL_CONTROLLER
from anatomy.classroom.chapter_05.ratios import RATIOS
from anatomy.classroom.chapter_05.token_rewards import TOKEN_REWARDS
from anatomy.classroom.exercise import Checkable
from anatomy.classroom.mutants import MUTATION_LAB

EXERCISES: tuple[Checkable, ...] = (
    GAE,
    EXPONENT,
    CLIP,
    KL_CONTROLLER,
    RATIOS,
    TOKEN_REWARDS,
    MUTATION_LAB,
)
