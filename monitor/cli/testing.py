"""What `test` does: finds files of tests, runs them, and tells how they ended."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from monitor.core.wording import count
from monitor.errors import ConfigError, OperatorError, RuleTestError
from monitor.ruletest.coverage import Coverage, cover
from monitor.ruletest.judgeable import says_nothing
from monitor.ruletest.reading import find_test_files, load_tests
from monitor.ruletest.reports import as_document, as_junit
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import Verdict, judge


def run_tests(
    patterns: Sequence[str],
    config: Path | None,
    *,
    junit: Path | None,
    coverage: bool,
    as_json: bool,
) -> bool:
    """Run tests and print how they ended; returns whether all passed.

    Raises:
        OperatorError: Something cannot be read or written; nothing was run, or nothing reported.
    """
    paths = find_test_files(patterns) if patterns else _usual_files(config)
    files = load_tests(paths)
    for case in (case for file in files for case in file.cases):
        why = says_nothing(case)
        if why:
            where = f'{case.file}:{case.line}: test "{case.name}"'
            click.echo(f"warning: {where}: {why}", err=True)
    verdicts = [judge(case) for file in files for case in file.cases]
    found = cover(files, verdicts, _folders(patterns, paths)) if coverage else None
    if junit is not None:
        try:
            junit.write_text(as_junit(verdicts), encoding="utf-8")
        except OSError as exc:
            raise OperatorError(f"{junit}: cannot be written: {exc.strerror or exc}") from exc
    if as_json:
        document = as_document(verdicts, found)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print(verdicts, found)
    return all(verdict.passed for verdict in verdicts)


def _usual_files(config: Path | None) -> tuple[Path, ...]:
    """Find the tests beside the configuration, else those of ./rules."""
    from monitor.config import find_config  # pydantic behind it; not needed with PATHS

    folders = [Path()]
    try:
        folders.insert(0, find_config(config).parent)
    except ConfigError:
        if config is not None:
            raise
    for folder in dict.fromkeys(folders):
        found = tuple(sorted((folder / "rules").glob("*.test.toml")))
        if found:
            return found
    raise RuleTestError(
        "there are no rule tests: no rules/*.test.toml beside a configuration or here\n"
        "    name the files: marginwatch test my-rules.test.toml"
    )


def _folders(patterns: Sequence[str], paths: Sequence[Path]) -> list[Path]:
    """List the folders all of whose rules should be tested: those that were named whole."""
    if not patterns:
        return list(dict.fromkeys(path.parent for path in paths))
    return [folder for pattern in patterns if (folder := Path(pattern).expanduser()).is_dir()]


def _print(verdicts: Sequence[Verdict], coverage: Coverage | None) -> None:
    by_file: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_file.setdefault(verdict.case.file, []).append(verdict)
    for file, found in by_file.items():
        failed = [verdict for verdict in found if not verdict.passed]
        tests = count(len(found), "test")
        click.echo(f"{file}: {f'{len(failed)} of {tests} failed' if failed else f'{tests}, fine'}")
        for verdict in failed:
            click.echo("\n".join(["", *describe(verdict), ""]))
    if coverage is not None:
        click.echo("\n".join(coverage.as_lines()))
    failures = sum(not verdict.passed for verdict in verdicts)
    click.echo(f"{len(verdicts) - failures} passed, {failures} failed")
