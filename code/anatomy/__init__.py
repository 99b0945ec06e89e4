"""Anatomy of ChatGPT: the code that the chapters show, run and test.

Modules are read in the order in which they may import one another:

1. `runtime`, `masking`, `rollout`: where computation runs, what counts, what was experienced
2. `estimators`: returns, TD errors, GAE, KL estimators, explained variance
3. `losses`, `models`, `envs`, `tinyweb`: what is minimised, trained, acted in and talked about
4. `algorithms`: the learning steps themselves
5. `rlhf`: the same steps where the environment is a text and the reward a preference
6. `widgets`, `classroom`: what a reader touches, and what checks an exercise

`reporting` (history, checkpoints, plots, progress, `show`) stands beside them.
`import anatomy` itself loads none of these.
"""

from anatomy.version import __version__

__all__ = ["__version__"]
