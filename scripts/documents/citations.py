"""What a document points at: links, sections by their numbers, tests by their names."""

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from scripts.documents.pages import DOCS, ROOT, anchors, documents, headings, shown, without_blocks

_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


def broken_links() -> Iterator[str]:
    """Find relative links that lead nowhere."""
    for path in documents():
        text = without_blocks(path.read_text(encoding="utf-8"))
        for target in _LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists():
                yield f"{shown(path)}: the link {target} leads to no file"
            elif anchor and anchor not in anchors(aim):
                yield f"{shown(path)}: the link {target} leads to no heading"


_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.? ")
_CITING = re.compile(r"docs/(?P<name>[\w/-]+\.md)|§(?P<number>\d+(?:\.\d+)*)")
# Between a document's name and its numbers, and between two numbers; comments and quotes wrap.
_JOINT = re.compile(r"(?:[\s#*`,]|\b(?:and|to)\b)*")


def citing_files() -> list[Path]:
    """List every file that may cite a document: sources, tests, rules, documents."""
    folders = ("monitor", "tests", "scripts", "bench", "rules", "docs")
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    kept = [path for path in found if path.suffix in {".py", ".md", ".toml"}]
    return sorted({*kept, *documents(), ROOT / "config.example.toml"})


def wrong_citations() -> Iterator[str]:
    """Find citations, a document's name and the numbers of sections, that lead nowhere.

    Names are written `docs/….md`, with the numbers behind them. A number elsewhere in a file is a
    section of the file itself, if its sections are numbered, or of the numbered document that the
    file named last.
    """
    for path in citing_files():
        text = path.read_text(encoding="utf-8")
        own = path if _sections(path) else None
        named: Path | None = None
        cited, end = named, -1
        for found in _CITING.finditer(text):
            where = f"{shown(path)}:{text.count(chr(10), 0, found.start()) + 1}"
            if found["name"] is not None:
                cited, end = DOCS / found["name"], found.end()
                if not cited.exists():
                    yield f"{where}: there is no {found[0]}"
                if _sections(cited):
                    named = cited
                continue
            joined = end >= 0 and _JOINT.fullmatch(text, end, found.start()) is not None
            aim = cited if joined else own or named
            end = found.end() if joined else -1
            if aim is None:
                yield f"{where}: {found[0]} of which document? Write docs/….md {found[0]}"
            elif aim.exists() and found["number"] not in _sections(aim):
                yield f"{where}: {shown(aim)} has no section {found['number']}"


@cache
def _sections(path: Path) -> frozenset[str]:
    """List the numbers that a document's headings begin with; none for any other file."""
    if path.suffix != ".md" or not path.exists():
        return frozenset()
    titles = (title for _, title in headings(path.read_text(encoding="utf-8")))
    return frozenset(found[1] for found in map(_NUMBERED.match, titles) if found is not None)


_TRAP_SECTION = re.compile(r"^## (0|11)\. .*?(?=^## )", re.MULTILINE | re.DOTALL)
_TRAP = re.compile(
    r"^(?:\| )?(\d+)(?:\.| \|) ", re.MULTILINE
)  # "1. " of a list, "| 1 | " of a table
_TRAP_TEST = re.compile(r"test_trap_(\d+_\d+)_\w+")


def untested_traps() -> Iterator[str]:
    """Find traps of docs/protocol.md §0 and §11 without a test, and tests of no such trap."""
    tests = sorted((ROOT / "tests" / "traps").glob("test_*.py"))
    defined = {name for path in tests for name in _trap_tests(path)}
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    yield from wrong_traps(text, defined)


def wrong_traps(text: str, defined: Collection[str]) -> Iterator[str]:
    """Compare a list of traps with the names of the tests that there are."""
    traps: dict[str, str] = {}
    for section in _TRAP_SECTION.finditer(text):
        _, *parts = _TRAP.split(section[0])
        traps |= {
            f"{section[1]}_{n}": words for n, words in zip(parts[::2], parts[1::2], strict=True)
        }
    for number, words in traps.items():
        named = [found for found in _TRAP_TEST.finditer(words) if found[1] == number]
        if not named:
            yield f"docs/protocol.md: trap {number} names no test test_trap_{number}_…"
        for found in _TRAP_TEST.finditer(words):
            if found[0] not in defined:
                yield f"docs/protocol.md: trap {number}: there is no {found[0]} in tests/traps"
    for name in sorted(defined):
        found = _TRAP_TEST.fullmatch(name)
        if found is None or found[1] not in traps:
            yield f"tests/traps: {name}: docs/protocol.md lists no such trap"


def _trap_tests(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test_"):
            yield node.name
