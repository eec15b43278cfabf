"""Tables in Markdown, and where the words in them come from."""

import ast
import inspect
import sys
import types
from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import BaseModel


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def worded(name: str, words: Mapping[str, str], known: Sequence[str]) -> list[list[str]]:
    """Make the rows of a table of keys that words of ours explain; all of them, and no other."""
    wrong = sorted(set(words) ^ set(known))
    if wrong:
        one_side = ", ".join(wrong)
        raise LeftOutError(f"scripts/documents/words.py, {name}: {one_side} on one side only")
    return [[f"`{key}`", words[key]] for key in known]


class LeftOutError(Exception):
    """The words of this script and the code do not name the same things."""


@cache
def _docstrings(module: types.ModuleType) -> dict[str, str]:
    """Read the string under each field of each class: "Class.field" → text."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            match below:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    found[f"{node.name}.{field.target.id}"] = " ".join(text.split())
                case _:
                    pass
    return found


def own_words(model: type[BaseModel], name: str, words: Mapping[str, str]) -> str:
    """Say what a key means: in this script's words, else in those under the field."""
    docstrings = _docstrings(sys.modules[model.__module__])
    for owner in model.__mro__:
        key = f"{owner.__name__}.{name}"
        if key in words:
            return words[key]
        if key in docstrings:
            return docstrings[key]
    raise LeftOutError(f"scripts/documents/words.py: {model.__name__}.{name} has no words")
