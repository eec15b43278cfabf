"""Scenario files: TOML in, a `Scenario` out, or every fault of the file at once.

The shapes are in `story`, the words for what is wrong in `scenario_faults`.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from monitor.errors import ScenarioError
from monitor.sim.scenario_faults import contradictions, misshapen
from monitor.sim.story import Scenario

__all__ = ["SCENARIOS", "Scenario", "load_scenario", "parse_scenario"]

SCENARIOS = Path(__file__).parent / "scenarios"
"Where the scenarios lie that come with the program."


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        ScenarioError: It cannot be read, or is wrong; the text holds every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ScenarioError(f"{path}: cannot be read: {exc.strerror}. Name another file.") from exc
    except UnicodeDecodeError as exc:
        raise ScenarioError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from exc
    return parse_scenario(text, str(path))


def parse_scenario(text: str, name: str) -> Scenario:
    """Read a scenario from its text.

    Args:
        text: TOML, as docs/reference/scenarios.md describes it.
        name: What faults call it; usually the file's name.

    Raises:
        ScenarioError: It is wrong; the text holds every fault, one a line.
    """
    try:
        tables: dict[str, Any] = tomli.loads(text, parse_float=Decimal)
    except tomli.TOMLDecodeError as exc:
        raise ScenarioError(f"{name}:{exc.lineno}:{exc.colno}: is not TOML: {exc.msg}") from exc
    try:
        scenario = Scenario.model_validate(tables)
    except ValidationError as exc:
        faults = misshapen(exc.errors(), tables)
        raise ScenarioError("\n".join(f"{name}: {fault}" for fault in faults)) from exc
    if faults := contradictions(scenario):
        raise ScenarioError("\n".join(f"{name}: {fault}" for fault in faults))
    return scenario
