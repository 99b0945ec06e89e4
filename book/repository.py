"""The one place that knows whose repository this is: `repository.url` in _config.yml.

GITHUB_REPOSITORY overrides it, so that a fork's site, notebooks and buttons lead to the fork.
ANATOMY_REF names the branch, tag or commit that exported notebooks install (default: main).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Repository:
    """A GitHub repository and the addresses that follow from its name."""

    owner: str
    name: str
    ref: str = "main"

    @property
    def url(self) -> str:
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def site(self) -> str:
        """Where GitHub Pages publishes the book."""
        host = f"https://{self.owner.lower()}.github.io"
        return host if self.name.lower() == host.removeprefix("https://") else f"{host}/{self.name}"

    @property
    def raw(self) -> str:
        return f"https://raw.githubusercontent.com/{self.owner}/{self.name}/{self.ref}"

    @property
    def requirement(self) -> str:
        """What pip installs in Colab."""
        return f"anatomy @ git+{self.url}@{self.ref}"

    def colab(self, page: str) -> str:
        """The address that opens a page's exported notebook in Colab."""
        host = "https://colab.research.google.com/github"
        return f"{host}/{self.owner}/{self.name}/blob/notebooks/{page}.ipynb"


def repository(config: Path = ROOT / "_config.yml") -> Repository:
    """The repository of this clone, fork or workflow run."""
    slug = os.environ.get("GITHUB_REPOSITORY")
    if not slug:
        slug = yaml.safe_load(config.read_text())["repository"]["url"].split("github.com/")[-1]
    owner, _, name = slug.strip("/").partition("/")
    return Repository(owner, name, os.environ.get("ANATOMY_REF", "main"))
