"""The documents: which there are, and what is in one: fenced blocks, headings, anchors."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"


def documents() -> list[Path]:
    """List every document."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [path for path in top if path.exists()] + sorted(DOCS.rglob("*.md"))


def shown(path: Path) -> str:
    """Write a path as seen from the repository."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


class Block(NamedTuple):
    """A fenced block."""

    where: str
    language: str
    text: str


def blocks(path: Path) -> Iterator[Block]:
    """Find the fenced blocks of a document."""
    language, begin, lines = "", 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        bare = line.strip()
        if begin and bare == "```":
            yield Block(f"{shown(path)}:{begin}", language, "\n".join(lines) + "\n")
            begin = 0
        elif begin:
            lines.append(line)
        elif bare.startswith("```"):
            language, begin, lines = bare[3:].strip(), number, []


def without_blocks(text: str) -> str:
    """Leave the fenced blocks out of a text."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str) -> Iterator[tuple[int, str]]:
    """Find the headings of a text, each with its level, from 1."""
    for line in without_blocks(text).splitlines():
        found = re.fullmatch(r"(#+) (.+)", line)
        if found is not None:
            yield len(found[1]), found[2].strip()


@cache
def anchors(path: Path) -> frozenset[str]:
    """List the anchors of a document, as code hosts make them."""
    names = (title for _, title in headings(path.read_text(encoding="utf-8")))
    kept = (re.sub(r"[^\w\- ]", "", name.lower()) for name in names)
    return frozenset(name.replace(" ", "-") for name in kept)
