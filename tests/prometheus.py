"""A strict reader of Prometheus's text format 0.0.4, as its documentation has it.

Stricter than the format: every name has HELP and TYPE, in this order, before its samples, which
stand together; names and units are by the conventions.
"""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) (\S.*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\+Inf|-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
_UNITLIKE = re.compile(r"_(ms|milliseconds|minutes|percent|kb|kilobytes)(_|$)")


@dataclass
class Family:
    """All of one name."""

    help: str
    kind: str = ""
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    """By suffix and labels."""


def read(text: str) -> dict[str, Family]:
    """Read an exposition; AssertionError where a line of it is wrong."""
    assert text.endswith("\n")
    found: dict[str, Family] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if helped := _HELP.fullmatch(line):
            current = helped[1]
            assert current not in found, f"{current} comes twice"
            assert not _UNITLIKE.search(current), f"{current} is not in a base unit"
            found[current] = Family(helped[2])
        elif typed := _TYPE.fullmatch(line):
            assert typed[1] == current
            assert not found[current].kind
            found[current].kind = typed[2]
            assert (typed[2] == "counter") == current.endswith("_total")
        else:
            _take(line, current, found[current])
    for name, family in found.items():
        assert family.kind, name
        if family.kind == "histogram":
            _check_histogram(family)
    return found


def _take(line: str, current: str, family: Family) -> None:
    sample = _SAMPLE.fullmatch(line)
    assert sample is not None, line
    assert family.kind, "TYPE comes before the samples"
    assert sample[1].startswith(current), line
    suffix = sample[1].removeprefix(current)
    parts = {"_bucket", "_sum", "_count"} if family.kind == "histogram" else {""}
    assert suffix in parts, line
    key = suffix, tuple(_labels(sample[2] or ""))
    assert key not in family.samples, f"twice: {line}"
    family.samples[key] = float(sample[3].replace("+Inf", "inf"))
    assert family.kind == "gauge" or family.samples[key] >= 0


def _labels(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        label = _LABEL.match(text, at)
        assert label is not None, text
        plain = re.sub(r"\\(.)", lambda one: "\n" if one[1] == "n" else one[1], label[2])
        found.append((label[1], plain))
        at = label.end()
    assert len({name for name, _ in found}) == len(found)
    return found


def _check_histogram(family: Family) -> None:
    buckets = [
        (float(dict(labels)["le"].replace("+Inf", "inf")), value)
        for (suffix, labels), value in family.samples.items()
        if suffix == "_bucket"
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == (float("inf"), family.samples["_count", ()])
    assert ("_sum", ()) in family.samples
