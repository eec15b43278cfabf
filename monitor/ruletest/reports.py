"""Verdicts for machines: JUnit's XML, and one JSON document."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from monitor.ruletest.coverage import Coverage
from monitor.ruletest.model import Expected
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import Heard, Verdict

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def as_junit(verdicts: Sequence[Verdict]) -> str:
    """Write JUnit's XML: a suite per file, a case per test."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    root = Element(
        "testsuites",
        name="marginwatch test",
        tests=str(len(verdicts)),
        failures=str(len(failed)),
        errors="0",
    )
    for file, group in groupby(verdicts, key=lambda verdict: verdict.case.file):
        found = list(group)
        failures = str(sum(not verdict.passed for verdict in found))
        suite = SubElement(
            root,
            "testsuite",
            name=_xml(file),
            tests=str(len(found)),
            failures=failures,
            errors="0",
            skipped="0",
        )
        for verdict in found:
            case = verdict.case
            element = SubElement(
                suite,
                "testcase",
                classname=_xml(file),
                name=_xml(case.name),
                file=_xml(file),
                line=str(case.line),
            )
            if not verdict.passed:
                text = "\n".join(describe(verdict))
                first = text.partition("\n")[0]
                SubElement(element, "failure", message=_xml(first)).text = _xml(text)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Replace what no XML document may hold, escaped or not."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def as_document(verdicts: Sequence[Verdict], coverage: Coverage | None) -> dict[str, Any]:
    """Make the JSON document of `test --json`; instants are seconds since 0s, as numbers."""
    failed = sum(not verdict.passed for verdict in verdicts)
    document: dict[str, Any] = {
        "passed": len(verdicts) - failed,
        "failed": failed,
        "tests": [_test(verdict) for verdict in verdicts],
    }
    if coverage is not None:
        document["coverage"] = {
            "total": coverage.total,
            "never_fired": [each._asdict() for each in coverage.unfired],
        }
    return document


def _test(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    heard = (pair.heard for pair in verdict.pairs if pair.heard is not None)
    return {
        "file": case.file,
        "line": case.line,
        "name": case.name,
        "passed": verdict.passed,
        "expected": _listed(case.expected),
        "happened": _listed(heard),
        "text": None if verdict.passed else "\n".join(describe(verdict)),
    }


def _listed(notices: Iterable[Expected | Heard]) -> list[dict[str, Any]]:
    return [
        {
            "at": notice.at / 1000 if notice.at % 1000 else notice.at // 1000,
            "kind": notice.kind,
            "severity": notice.severity if isinstance(notice, Heard) else notice.severity.word,
            "rule": notice.rule,
            "id": notice.id,
            "account": notice.account,
            "reason": notice.reason,
            "happening": notice.happening,
            "count": notice.count,
        }
        for notice in notices
    ]
