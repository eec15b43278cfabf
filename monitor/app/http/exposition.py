"""The text that Prometheus reads, by its own conventions (text format 0.0.4).

    # HELP marginwatch_notices_waiting Notices that a channel has yet to hear.
    # TYPE marginwatch_notices_waiting gauge
    marginwatch_notices_waiting{channel="phone"} 3

Base units, named in the name; `_total` behind what only rises; one HELP and one TYPE for each name;
labels in a fixed order, escaped.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

KIND = "text/plain; version=0.0.4; charset=utf-8"
"""The Content-Type of the text."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""
    """Behind the family's name: of the parts of a histogram."""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample]


def exposition(families: Iterable[Family]) -> str:
    """Write families as Prometheus reads them."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help, quotes=False)}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in sample.labels.items())
        braces = f"{{{labels}}}" if labels else ""
        yield f"{family.name}{sample.suffix}{braces} {_number(sample.value)}"


def _escaped(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def histogram(
    name: str, text: str, bounds: Sequence[float], counts: Sequence[int], total: float
) -> Family:
    """Make a histogram without labels.

    Args:
        name: With its unit.
        text: What it is of.
        bounds: The upper bound of each bucket but the last, which has none; ascending.
        counts: How many fell into each bucket, one more than there are bounds.
        total: The sum of all that was observed.
    """
    samples, seen = [], 0
    for bound, count in zip((*bounds, math.inf), counts, strict=True):
        seen += count
        samples.append(Sample(seen, {"le": _number(bound)}, "_bucket"))
    samples += [Sample(total, {}, "_sum"), Sample(seen, {}, "_count")]
    return Family(name, "histogram", text, samples)
