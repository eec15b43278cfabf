"""Check the documents against the code they speak of; `--write` renews what is generated.

    python scripts/check_docs.py            exit 1, and every fault, one a line
    python scripts/check_docs.py --write    write the generated parts anew, then check

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->` and comes from
the metric table, the models, click's help or the shipped rules. What the code does not say in
words for operators is said in `documents/words.py`.

    documents/pages.py ..... which there are     documents/generated.py, keys.py, tables.py
    documents/examples.py .. TOML, shell lines   documents/citations.py .. links, sections, traps
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from monitor.cli import main as command_line
from monitor.config import models as config_models
from monitor.core.lints import CODES
from monitor.core.metrics import METRICS
from monitor.rulefile.rule import KEYS as RULE_KEYS
from scripts import man
from scripts.documents.citations import broken_links, untested_traps, wrong_citations
from scripts.documents.examples import wrong_commands, wrong_examples
from scripts.documents.generated import PART, generated, shipped_rules, with_part
from scripts.documents.pages import DOCS, ROOT, documents, headings, shown
from scripts.documents.tables import LeftOutError

LONGEST_README = 150
HEADINGS = [
    "What it watches",
    "Why it matters",
    "Example",
    "What to do when it fires",
    "Options",
    "Source",
]
"""Of the page of a shipped rule, in this order."""
LINT_HEADINGS = ["What it finds", "Why it matters", "Example", "Way out"]
"""Of the page of a lint, in this order."""


def write() -> None:
    """Write every generated part anew."""
    for part in generated():
        if part.path.exists():
            text = part.path.read_text(encoding="utf-8")
            renewed = with_part(text, part.name, part.make())
            if renewed is not None and renewed != text:
                part.path.write_text(renewed, encoding="utf-8")
                print(f"wrote {shown(part.path)}, {part.name}")
    if list(stale_man_page()):
        man.PAGE.write_text(man.page(), encoding="utf-8")
        print(f"wrote {shown(man.PAGE)}")


def stale_parts() -> Iterator[str]:
    """Find generated parts that are missing or no longer what the code says."""
    for part in generated():
        where = shown(part.path)
        if not part.path.exists():
            yield f"{where}: does not exist, and has to hold the generated part `{part.name}`"
            continue
        text = part.path.read_text(encoding="utf-8")
        try:
            renewed = with_part(text, part.name, part.make())
        except LeftOutError as exc:
            yield str(exc)
            continue
        if renewed is None:
            marker = PART.format(part.name, "").replace("\n", " … ")
            yield f"{where}: has no place for `{part.name}`; write {marker}"
        elif renewed != text:
            yield f"{where}: `{part.name}` is stale; run: python scripts/check_docs.py --write"


def stale_man_page() -> Iterator[str]:
    """Find out whether the man page is what the commands say of themselves."""
    if not man.PAGE.exists() or man.PAGE.read_text(encoding="utf-8") != man.page():
        yield f"{shown(man.PAGE)}: is stale; run: python scripts/check_docs.py --write"


def undocumented() -> Iterator[str]:
    """Find metrics, commands, keys and shipped rules that no page names."""
    reference = DOCS / "reference"
    wanted = {
        reference / "metrics.md": [f"| `{name}` |" for name in METRICS],
        reference / "cli.md": [f"## marginwatch {name}" for name in command_line.commands],
        reference / "config.md": [f"| `{key}` |" for key in _config_key_names()],
        reference / "rules.md": [f"| `{key}` |" for key in RULE_KEYS]
        + [f"../rules/{name}.md" for name in shipped_rules()],
    }
    for path, words in wanted.items():
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for word in words:
            if word not in text:
                yield f"{shown(path)}: does not speak of {word.strip('| #')}"
    for path in sorted((DOCS / "rules").glob("*.md")):
        if path.stem not in shipped_rules():
            yield f"{shown(path)}: there is no shipped rule of this name"


def _config_key_names() -> Iterator[str]:
    """Name the keys of every table, as they are written; what holds a table has a heading."""
    models = [config_models.Config]
    for model in models:
        for name, field in model.model_fields.items():
            inner = _model_in(field.annotation)
            if inner is None:
                yield field.alias or name
            elif inner not in models:
                models.append(inner)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model that a field holds, one or several or none at all."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def wrong_rule_pages() -> Iterator[str]:
    """Find pages of shipped rules whose headings are not those that a reader expects."""
    for name in shipped_rules():
        path = DOCS / "rules" / f"{name}.md"
        if not path.exists():
            continue  # told by `stale_parts`
        text = path.read_text(encoding="utf-8")
        found = [text_ for level, text_ in headings(text) if level == 2]
        if found != HEADINGS:
            yield f"{shown(path)}: its headings are {found}; they have to be {HEADINGS}"
        if not text.startswith(f"# {name}\n"):
            yield f"{shown(path)}: has to begin with `# {name}`"


def wrong_lint_pages() -> Iterator[str]:
    """Find lints without a page, pages without a lint, and headings that nobody expects."""
    pages = {path.stem: path for path in sorted((DOCS / "lints").glob("*.md"))}
    for name in [*CODES, *(stem for stem in pages if stem not in CODES)]:
        if name not in pages:
            yield f"docs/lints/{name}.md: does not exist"
        elif name not in CODES:
            yield f"docs/lints/{name}.md: there is no lint of this name"
        else:
            text = pages[name].read_text(encoding="utf-8")
            found = [heading for level, heading in headings(text) if level == 2]
            if found != LINT_HEADINGS or not text.startswith(f"# {name}\n"):
                yield f"docs/lints/{name}.md: begins with `# {name}`, then {LINT_HEADINGS}"


def long_readme() -> Iterator[str]:
    """Find out whether the README has become a manual."""
    lines = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if lines > LONGEST_README:
        yield f"README.md: {lines} lines; it may have {LONGEST_README}"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "generated parts": stale_parts,
    "man page": stale_man_page,
    "pages of lints": wrong_lint_pages,
    "TOML examples": wrong_examples,
    "shell lines": wrong_commands,
    "everything documented": undocumented,
    "rule pages": wrong_rule_pages,
    "links": broken_links,
    "citations": wrong_citations,
    "traps": untested_traps,
    "README": long_readme,
}


def main(arguments: Sequence[str]) -> int:
    """Check, after writing if asked to; the exit code."""
    if set(arguments) - {"--write"}:
        print("usage: check_docs.py [--write]", file=sys.stderr)
        return 2
    if arguments:
        write()
    faults = [fault for check in CHECKS.values() for fault in check()]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"docs: {len(documents())} documents, nothing stale, nothing broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
