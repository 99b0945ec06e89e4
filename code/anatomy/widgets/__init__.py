"""What a reader touches: explorers and questions that work with and without a kernel.

Nothing here needs ipywidgets or plotly; `playground` does, and is imported on its own.
"""

from anatomy.widgets.element import Element
from anatomy.widgets.explorers import clip_explorer, gae_explorer, importance_explorer
from anatomy.widgets.questions import predict, quiz

__all__ = [
    "Element",
    "clip_explorer",
    "gae_explorer",
    "importance_explorer",
    "predict",
    "quiz",
]
