"""The exercises of chapter 1, language models."""

from anatomy.classroom.chapter_01.bits import BITS
from anatomy.classroom.chapter_01.cache import KV_CACHE
from anatomy.classroom.chapter_01.entropy import CROSS_ENTROPY
from anatomy.classroom.chapter_01.hiding import HIDING
from anatomy.classroom.chapter_01.sampling import SAMPLER
from anatomy.classroom.chapter_01.sight import SIGHT
from anatomy.classroom.exercise import Checkable

EXERCISES: tuple[Checkable, ...] = (SIGHT, HIDING, CROSS_ENTROPY, SAMPLER, BITS, KV_CACHE)
