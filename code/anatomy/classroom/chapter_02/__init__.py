"""The exercises of chapter 2, the basics of reinforcement learning."""

from anatomy.classroom.chapter_02.evaluation import EVALUATION
from anatomy.classroom.chapter_02.language import TOKEN_STEP
from anatomy.classroom.chapter_02.prediction import BIAS_VARIANCE, TD0
from anatomy.classroom.chapter_02.shaping import SHAPING
from anatomy.classroom.chapter_02.sweeps import RATES, SWEEP
from anatomy.classroom.chapter_02.truncation import TRUNCATION
from anatomy.classroom.exercise import Checkable

EXERCISES: tuple[Checkable, ...] = (
    EVALUATION,
    SWEEP,
    RATES,
    TOKEN_STEP,
    TD0,
    BIAS_VARIANCE,
    TRUNCATION,
    SHAPING,
)
