"""Turn MyST Markdown into the plain Markdown that Jupyter, JupyterLab and Colab show.

Admonitions become quotations, cross-references become links to the published site, math and
code stay. What only a web page can show (raw HTML, tables of contents) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ADMONITIONS = {
    "admonition": "",
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "dropdown": "",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "margin": "",
    "note": "Note",
    "seealso": "See also",
    "sidebar": "",
    "tip": "Tip",
    "topic": "",
    "warning": "Warning",
}
DROPPED = {"bibliography", "contents", "eval-rst", "iframe", "only", "raw", "tableofcontents"}
DROPPED |= {"toctree", "video"}
CODE = {"code", "code-block", "sourcecode", "literalinclude", "parsed-literal"}

OPENING = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}|:{3,})\{(?P<name>[^}]+)\} ?(?P<rest>.*)$"
)
PLAIN_FENCE = re.compile(r"^ *(?P<fence>`{3,}|~{3,})(?!.*`)")
TARGET = re.compile(r"^\((?P<label>[^()\s][^()]*)\)=\s*$")
INLINE = re.compile(
    r"\{(?P<role>[a-zA-Z][\w:.+-]*)\}(?P<ticks>`+)(?P<content>.+?)(?P=ticks)(?!`)"
    r"|(?P<code>(?P<codeticks>`+).+?(?P=codeticks)(?!`))"
    r"|(?P<bang>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]*)\)",
    re.DOTALL,
)
TITLED = re.compile(r"^(?P<title>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)


@dataclass(frozen=True)
class Label:
    """Where a cross-reference leads: a page (without suffix), an anchor and a title."""

    page: str
    anchor: str
    title: str


@dataclass(frozen=True)
class Site:
    """What a page's links need to know about the rest of the book."""

    url: str
    raw_url: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    citations: Mapping[str, str] = field(default_factory=dict)
    bibliography: str = "book/bibliography"

    def page(self, name: str, anchor: str = "") -> str:
        """The published address of a page."""
        return f"{self.url}/{name}.html" + (f"#{anchor}" if anchor else "")


def resolve(page: str, target: str) -> str:
    """A path relative to a page's folder (or, with a leading slash, to the root), normalised."""
    if target.startswith("/"):
        return target.lstrip("/")
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / target).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def link(title: str, address: str) -> str:
    return f"[{title}]({address})"


def role(name: str, content: str, page: str, site: Site) -> str:
    """One MyST role as plain Markdown."""
    titled = TITLED.match(content)
    title, target = (titled["title"], titled["target"]) if titled else ("", content)
    if name == "math":
        return f"${content}$"
    if name in ("ref", "numref", "eq", "prf:ref", "any"):
        label = site.labels.get(target.lower())
        fallback = "the equation" if name == "eq" else target
        if label is None:
            return title or fallback
        shown = title if titled and "%s" not in title else label.title
        return link(shown or fallback, site.page(label.page, label.anchor))
    if name == "doc":
        name = resolve(page, target).removesuffix(".md")
        return link(title or site.titles.get(name, target), site.page(name))
    if name.startswith("cite"):
        keys = [key.strip() for key in target.split(",")]
        shown = "; ".join(site.citations.get(key, key) for key in keys)
        linked = link(shown, site.page(site.bibliography))
        return linked if name.endswith((":t", ":ts")) else f"({linked})"
    if name == "term":
        return link(title or target, site.page("book/glossary"))
    if name in ("abbr", "index", "sub", "sup", "kbd", "guilabel"):
        return content.split(" (")[0] if name == "abbr" else content
    if name == "glue" or name.startswith("glue:"):
        return "(computed below)"
    if name == "download":
        return link(title or target, f"{site.raw_url}/{resolve(page, target)}")
    return f"`{title or target}`"


def inline(text: str, page: str, site: Site) -> str:
    """Roles and links of a paragraph; code spans are left as they are."""

    def replace(match: re.Match[str]) -> str:
        if match["role"]:
            return role(match["role"], match["content"], page, site)
        if match["code"]:
            return match["code"]
        shown, target = match["text"], match["target"]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return match[0]
        if match["bang"]:
            return f"![{shown}]({site.raw_url}/{resolve(page, target)})"
        path, _, anchor = target.partition("#")
        known = site.labels.get((anchor or path).lower())
        if known and (not path or not anchor):
            return link(shown or known.title, site.page(known.page, known.anchor))
        if not path:
            return link(shown or anchor, site.page(page, anchor))
        name = resolve(page, path).removesuffix(".md")
        return link(shown or site.titles.get(name, name), site.page(name, anchor))

    return INLINE.sub(replace, text)


def quote(title: str, body: str) -> str:
    lines = ([f"**{title}**", ""] if title else []) + body.strip().split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def split_options(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """A directive's options (`:key: value` lines or a `---` block) and its body."""
    options: dict[str, str] = {}
    if lines and lines[0].strip() == "---":
        end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
        for line in lines[1:end]:
            key, _, value = line.partition(":")
            options[key.strip()] = value.strip().strip("\"'")
        return options, lines[end + 1 :]
    while lines and (match := re.match(r"^:([\w-]+):\s*(.*)$", lines[0])):
        options[match[1]] = match[2]
        lines = lines[1:]
    return options, lines


def list_table(body: list[str], header_rows: int) -> str:
    """A MyST list-table as a pipe table."""
    rows: list[list[str]] = []
    for line in body:
        if start := re.match(r"^[*-] +[*-] ?(.*)$", line):
            rows.append([start[1]])
        elif rows and (cell := re.match(r"^ +[*-] ?(.*)$", line)):
            rows[-1].append(cell[1])
        elif rows and line.strip():
            rows[-1][-1] += " " + line.strip()
    if not rows:
        return ""
    width = max(len(row) for row in rows)
    head = rows[:1] if header_rows else [[""] * width]
    table = [*head, ["---"] * width, *rows[1 if header_rows else 0 :]]
    return "\n".join("| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in table)


def directive(name: str, argument: str, lines: list[str], page: str, site: Site) -> str:
    """One MyST directive as plain Markdown."""
    options, body = split_options(lines)
    if name in DROPPED:
        return ""
    if name == "math":
        return "$$\n" + "\n".join([argument, *body]).strip() + "\n$$"
    if name in CODE:
        return f"```{argument}\n" + "\n".join(body).strip("\n") + "\n```"
    argument = inline(argument, page, site) if name not in ("figure", "image") else argument
    if name in ("figure", "image"):
        picture = f"![{options.get('alt', '')}]({site.raw_url}/{resolve(page, argument)})"
        caption = blocks("\n".join(body), page, site).strip()
        return f"{picture}\n\n*{caption}*" if caption else picture
    if name == "list-table":
        table = list_table(body, int(options.get("header-rows", "0")))
        table = inline(table, page, site)
        return f"**{argument}**\n\n{table}" if argument else table
    text = blocks("\n".join(body), page, site).strip()
    if name in ADMONITIONS:
        return quote(ADMONITIONS[name] or argument, text)
    if name.startswith(("prf:", "exercise")):
        return quote(" ".join([name.removeprefix("prf:").capitalize(), argument]).strip(), text)
    if name in ("epigraph", "pull-quote"):
        return quote("", text)
    return f"**{argument}**\n\n{text}".strip() if argument and not argument.isdigit() else text


def blocks(text: str, page: str, site: Site) -> str:
    """Whole blocks: directives, fences, targets, comments, paragraphs."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL | re.IGNORECASE)
    lines = text.split("\n")
    out: list[str] = []
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            out.extend(inline("\n".join(paragraph), page, site).split("\n"))
            paragraph.clear()

    index = 0
    while index < len(lines):
        line = lines[index]
        opening = OPENING.match(line)
        if opening or PLAIN_FENCE.match(line):
            flush()
            fence = (opening or PLAIN_FENCE.match(line))["fence"]  # type: ignore[index]
            closing = re.compile(rf"^ *{re.escape(fence[0])}{{{len(fence)},}}\s*$")
            end = index + 1
            while end < len(lines) and not closing.match(lines[end]):
                end += 1
            body = lines[index + 1 : end]
            if opening:
                indent = len(opening["indent"])
                body = [inner[indent:] if inner[:indent].isspace() else inner for inner in body]
                converted = directive(opening["name"], opening["rest"].strip(), body, page, site)
                out.extend(" " * indent + inner if inner else "" for inner in converted.split("\n"))
            else:
                out.extend(lines[index : end + 1])
            index = end + 1
            continue
        if not (TARGET.match(line) or line.startswith("% ") or line.strip() == "+++"):
            paragraph.append(re.sub(r"^\$\$\s*\([\w:.-]+\)\s*$", "$$", line))
            if not line.strip():
                flush()
        index += 1
    flush()
    return "\n".join(out)


def plain(text: str, page: str, site: Site) -> str:
    """MyST Markdown of one cell as plain Markdown; `page` is its path without suffix."""
    return re.sub(r"\n{3,}", "\n\n", blocks(text, page, site)).strip()


def labels_of(text: str, page: str) -> dict[str, Label]:
    """Every cross-reference target of a page: `(label)=` lines, `:name:` and `:label:` options."""
    from docutils.nodes import make_id

    found: dict[str, Label] = {}
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if match := TARGET.match(line):
            following = next((x for x in lines[index + 1 :] if x.strip()), "")
            heading = re.match(r"^#+\s+(.*)$", following)
            label, title = match["label"], heading[1] if heading else ""
        elif match := re.match(r"^\s*:?(?:name|label):\s+(\S+)\s*$", line):
            label, title = match[1], ""
        elif match := re.match(r"^\$\$\s*\(([\w:.-]+)\)\s*$", line):
            label, title = match[1], ""
            found[label.lower()] = Label(page, f"equation-{make_id(label)}", "the equation")
            continue
        else:
            continue
        found[label.lower()] = Label(page, make_id(label), re.sub(r"[{}`$]", "", title) or label)
    return found


def title_of(text: str) -> str | None:
    """A page's first heading."""
    match = re.search(r"^# +(.+)$", text, flags=re.MULTILINE)
    return match[1].strip() if match else None


def citations_of(bibliography: Path) -> dict[str, str]:
    """Every entry of a BibTeX file as "Schulman et al. 2017"."""
    if not bibliography.exists():
        return {}
    from pybtex.database import parse_file

    shown = {}
    for key, entry in parse_file(str(bibliography)).entries.items():
        people = entry.persons.get("author", [])
        names = [" ".join(person.last_names) or str(person) for person in people]
        if not names:
            names = [entry.fields.get("title", key)]
        who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}"
        who = f"{names[0]} et al." if len(names) > 2 else who
        shown[key] = f"{who} {entry.fields.get('year', '')}".strip()
    return shown
