"""Run the same rule tests by `marginwatch test` and by Prometheus' `promtool test rules`.

    python bench/rule_tests.py [PROMTOOL] [RULES]    default: promtool on the PATH, 200 rules

A day in steps of 15 s, 5,760 of them, and one position: each rule compares its distance to
liquidation with a threshold of its own, and waits for a minute. Both programs are started once, as
a user starts them; processor and wall time of each are printed, and their ratio. To reach: half of
promtool's time. Debian has it in the package `prometheus`; unpacking that is enough.
"""

import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.rulefile import parse_rules
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.stage import EPOCH, Stage

STEPS = 5_760
LIQUIDATION = 54_000
OURS = (sys.executable, "-m", "monitor", "test")


def prices() -> list[int]:
    """Walk at random between the liquidation price and far above it."""
    chance = random.Random(7)
    price, walk = 60_000, []
    for _ in range(STEPS):
        price = max(54_100, min(66_000, price + chance.randint(-200, 200)))
        walk.append(price)
    return walk


def thresholds(rules: int) -> list[str]:
    return [f"{5 + 10 * number / rules:.3f}" for number in range(rules)]


def write_ours(folder: Path, walk: list[int], rules: int) -> list[str]:
    """Write rules and their test; what it expects is what the rules tell, all of it."""
    text = "".join(
        f'[[rule]]\nname = "a{number}"\nwarning = "liquidation_distance < {share}%"\n'
        'for = "1m"\nrepeat = "never"\n'
        for number, share in enumerate(thresholds(rules))
    )
    marks = ", ".join(f'"{price}"' for price in walk)
    test = (
        '[[test]]\nname = "a day"\nevery = "15s"\n{}[[test.position]]\nsymbol = "BTCUSDT"\n'
        f'side = "long"\nliquidation_price = "{LIQUIDATION}"\n'
        f"[test.series]\nmark_price = [{marks}]\n"
    )
    (case,) = parse_tests(test.format("expect = []\n"), parse_rules(text)).cases
    notices = Stage(case).play()
    expected = "".join(
        f'[[test.expect]]\nat = "{(notice.at - EPOCH) // 1000}s"\nkind = "{notice.kind}"\n'
        f'severity = "{notice.severity.word}"\nrule = "{notice.rule}"\n'
        for notice in notices
    )
    (folder / "day.toml").write_text(text)
    (folder / "day.test.toml").write_text(test.format("") + expected)
    firing = {notice.rule for notice in notices if notice.kind == "fired"}
    print(f"{rules} rules, {STEPS:,} steps, {len(notices):,} notices of {len(firing)} rules")
    return [*OURS, str(folder / "day.test.toml")]


def write_theirs(folder: Path, walk: list[int], rules: int, promtool: str) -> list[str]:
    """Write the same rules for Prometheus; one of them is looked at, once, at the end."""
    lines = ["groups:", "- name: day", "  rules:"]
    for number, share in enumerate(thresholds(rules)):
        lines += [
            f"  - alert: A{number}",
            f"    expr: (mark_price - {LIQUIDATION}) / mark_price < {share} / 100",
            "    for: 1m",
            "    labels: {severity: warning}",
        ]
    (folder / "day.yml").write_text("\n".join(lines) + "\n")
    (folder / "day_test.yml").write_text(
        "rule_files: [day.yml]\nevaluation_interval: 15s\ntests:\n- interval: 15s\n"
        "  input_series:\n  - series: 'mark_price{symbol=\"BTCUSDT\"}'\n"
        f"    values: '{' '.join(map(str, walk))}'\n"
        "  alert_rule_test:\n  - eval_time: 24h\n    alertname: Nothing\n"
    )
    return [promtool, "test", "rules", str(folder / "day_test.yml")]


def measure(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; its processor and wall time, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def main(arguments: Sequence[str]) -> None:
    promtool = shutil.which(arguments[0] if arguments else "promtool")
    rules = int(arguments[1]) if len(arguments) > 1 else 200
    walk = prices()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = measure(write_ours(folder, walk, rules))
        print(f"marginwatch: {ours[0]:.1f} s of processor time, {ours[1]:.1f} s")
        if promtool is None:
            print("promtool is not there; Debian has it in the package `prometheus`")
            return
        theirs = measure(write_theirs(folder, walk, rules, promtool))
        print(f"promtool:    {theirs[0]:.1f} s of processor time, {theirs[1]:.1f} s")
        shares = [one / other for one, other in zip(ours, theirs, strict=True)]
        print(f"to reach 0.5: {shares[0]:.2f} of its processor time, {shares[1]:.2f} of its time")


if __name__ == "__main__":
    main(sys.argv[1:])
