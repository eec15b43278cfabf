"""Measure what has a budget: ratios against a named reference, in turn, in one run.

    python bench/run.py            everything, about a minute
    python bench/run.py tick       one of: judge, tick, storm, past, decode, start, memory

The machine may be noisy: the reference and ours are timed in turn, in processor time where all of
the work is this process's, and the median of the pairwise ratios is printed. Nothing here asserts;
budgets, and what was measured, are in docs/performance.md.
"""

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median

from monitor.binance import translate, wire
from monitor.core.engine import Engine
from monitor.core.events import (
    AssetRow,
    Bracket,
    BracketsRead,
    Mark,
    MarksChanged,
    Now,
    PollAnswered,
    PositionRow,
    SettingRow,
    StatusRow,
    Woke,
)
from monitor.core.language.compile import compile_condition
from monitor.core.metrics import VOCABULARY
from monitor.core.rules import Level, Rule, Severity

ROOT = Path(__file__).parent.parent
UTC = 1_767_322_800_000


def compare(
    ours: Callable[[], object],
    reference: Callable[[], object],
    rounds: int,
    timer: Callable[[], float] = time.process_time,
) -> str:
    """Time both in turn; give the median ratio and its range."""
    ours()
    reference()
    ratios = []
    for _ in range(rounds):
        base = timeit.timeit(reference, timer=timer, number=1)
        ratios.append(timeit.timeit(ours, timer=timer, number=1) / base)
    return f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f}, {rounds} pairs)"


def report(what: str, reference: str, reach: str, said: str) -> None:
    print(f"{what}\n    against {reference}, to reach {reach}: {said}", flush=True)


# ---------------------------------------------------------------- judging a condition


def judge() -> None:
    condition = compile_condition(
        "liquidation_distance < 5% and effective_leverage > 10x", VOCABULARY
    )
    values = [(Decimal(n) / 1000, Decimal(n) / 10) for n in range(1000)]
    five, ten = Decimal("0.05"), Decimal(10)

    def by_hand() -> None:
        for distance, leverage in values:
            if distance is None or leverage is None:
                continue
            found = distance < five and leverage > ten
        assert not found

    def ours() -> None:
        exact = condition.exact
        for distance, leverage in values:
            if distance is None or leverage is None:
                continue
            exact(distance, leverage)

    report(
        "judging a two-clause condition", "hand-written Python", "1.5", compare(ours, by_hand, 200)
    )


# ---------------------------------------------------------------- a second of the market


def world(
    accounts: int,
    positions: int,
    rules: int,
    text: str = "liquidation_distance < {}.5% and margin_room < 20%",
    stale_after: int = 30_000,
) -> Engine:
    """Make an engine that watches cross positions far from every threshold.

    Args:
        text: The condition of a rule; braces stand for its number.
        stale_after: Milliseconds from which numbers are aged; they are forgotten much later.
    """
    made = [
        Rule(
            f"rule-{number}",
            compiled.scope,
            (Level(Severity.WARNING, compiled, relaxed),),
        )
        for number in range(rules)
        for one in [text.format(number + 1)]
        for compiled in [compile_condition(one, VOCABULARY)]
        for relaxed in [compile_condition(one, VOCABULARY, hysteresis=Decimal("0.1"))]
    ]
    names = [f"a{number}" for number in range(accounts)]
    engine = Engine(
        made,
        [],
        [(name, "binance-usdm") for name in names],
        now=Now(0, UTC),
        stale_after=stale_after,
        forget_after=20 * stale_after,
    )
    engine.on(Woke(), Now(0, UTC))
    for index, name in enumerate(names):
        symbols = [f"S{(index * positions + number) % 600}USDT" for number in range(positions)]
        rows = tuple(
            PositionRow(
                symbol=symbol,
                position_side="BOTH",
                quantity=Decimal("0.1"),
                entry_price=Decimal(60000),
                isolated_wallet=Decimal(0),
                unrealized_pnl=Decimal(0),
                margin_asset="USDT",
                mark_price=Decimal(60000),
                liquidation_price=Decimal(20000),
                maintenance_margin=Decimal(24),
                notional=Decimal(6000),
                adl=1,
            )
            for symbol in symbols
        )
        poll = PollAnswered(
            account=name,
            at=UTC,
            after=0,
            complete=True,
            positions=rows,
            settings=tuple(SettingRow(symbol, 10, None) for symbol in symbols),
            assets=(AssetRow("USDT", Decimal(90000), Decimal(90000), Decimal(1000), Decimal(480)),),
            listed=tuple(StatusRow(row.symbol, "BOTH", row.quantity) for row in rows),
            multi_assets=False,
        )
        tiers = BracketsRead(name, dict.fromkeys(symbols, TIERS))
        engine.on(tiers, Now(0, UTC))
        engine.on(poll, Now(0, UTC))
    return engine


TIERS = (
    Bracket(Decimal(0), Decimal(50_000), Decimal("0.004"), Decimal(0)),
    Bracket(Decimal(50_000), Decimal(600_000), Decimal("0.005"), Decimal(50)),
)


def ticks(step: int, swing: int = 1) -> MarksChanged:
    """Move all marks up and down, each by a 60,000th of itself times `swing`."""
    at = UTC + step
    price = Decimal(60000) + Decimal(step % 7) * swing
    return MarksChanged({f"S{number}USDT": Mark(price, at) for number in range(600)})


def tick() -> None:
    second("a mark-price second", 1, "8")


def storm() -> None:
    """As `tick`, but every mark leaves at every tick the range in which its account is calm."""
    second("a second in which every mark moves by 2.5 % or more", 1500, "no budget")


def second(what: str, swing: int, reach: str) -> None:
    accounts, positions = 200, 20
    engine = world(accounts, positions, 10)
    held = [(Decimal("0.1"), Decimal(60000), Decimal(20000)) for _ in range(accounts * positions)]
    rounds = 20
    told = [ticks(1000 * number, swing) for number in range(rounds + 2)]
    step = 0

    def bare() -> None:
        mark = Decimal(60000) + Decimal(step % 7)
        for quantity, entry, liquidation in held:
            quantity * (mark - entry)
            (mark - liquidation) / mark

    def ours() -> None:
        nonlocal step
        step += 1
        outcome = engine.on(told[step], Now(1000 * step, UTC + 1000 * step))
        assert not outcome.notices

    gc.freeze()
    said = compare(ours, bare, rounds)
    report(
        f"{what}, {accounts} accounts x {positions} positions, 10 rules",
        "a bare loop over uPnL and distance",
        reach,
        said,
    )


# ---------------------------------------------------------------- looking back

PRESENT = "mark_price > 99999 or equity < -900000 or roi < -900%"
PAST = "drop(mark_price, 10m) > 99% or change(equity, 10m) < -900000 or average(roi, 10m) < -900%"


def past() -> None:
    """Judge rules that look back, with full windows, and say what a window weighs."""
    accounts, positions, full = 5, 20, 620

    def lived(text: str) -> Engine:
        engine = world(accounts, positions, 1, text, stale_after=10_000_000)
        for second in range(1, full + 1):
            engine.on(ticks(1000 * second, 1500), Now(1000 * second, UTC + 1000 * second))
        return engine

    tracemalloc.start()
    plain = lived(PRESENT)
    before = tracemalloc.get_traced_memory()[0]
    looking_back = lived(PAST)
    grown = tracemalloc.get_traced_memory()[0] - 2 * before
    tracemalloc.stop()
    step = {plain: full, looking_back: full}

    def go_on(engine: Engine) -> Callable[[], object]:
        def run() -> None:
            step[engine] += 1
            at = 1000 * step[engine]
            engine.on(ticks(at, 1500), Now(at, UTC + at))

        return run

    report(
        f"a second of rules over three full windows, {accounts} accounts x {positions} positions",
        "the same rules over the present numbers",
        "no budget",
        compare(go_on(looking_back), go_on(plain), 60),
    )
    print(f"    a full window: {grown / (accounts * (2 * positions + 1)) / 1024:.0f} KiB")


# ---------------------------------------------------------------- decoding


def decode() -> None:
    text = (ROOT / "tests/payloads/account_update_deposit_before.json").read_text()

    def ours() -> None:
        for _ in range(200):
            translate.user_events(wire.parse_user(text), account="main", offset=0, seq=1)

    def reference() -> None:
        for _ in range(200):
            json.loads(text)

    report(
        "ACCOUNT_UPDATE with six positions to core events",
        "json.loads",
        "4",
        compare(ours, reference, 50),
    )


# ---------------------------------------------------------------- starting


def start() -> None:
    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True)

    imports = run("-c", "import trio, pydantic")
    timer = time.perf_counter  # the work is done in other processes
    said = compare(run("-m", "monitor", "--version"), imports, 11, timer)
    report("`marginwatch --version`", '`python -c "import trio, pydantic"`', "1", said)
    with tempfile.TemporaryDirectory() as folder:
        rules = "".join(
            f'[[rule]]\nname = "rule-{number}"\nwarning = "roi < -{number + 1}%"\n'
            for number in range(50)
        )
        (Path(folder) / "rules.toml").write_text(rules)
        said = compare(
            run("-m", "monitor", "check", "--rules", f"{folder}/rules.toml"), imports, 11, timer
        )
    report("`check --rules` on 50 rules", "the same", "3", said)


# ---------------------------------------------------------------- memory


def memory() -> None:
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak()
    engine = world(1, 20, 10)
    for step in range(1, 601):
        engine.on(ticks(step * 1000), Now(step * 1000, UTC + step * 1000))
    first = peak()
    for step in range(601, 3601):
        engine.on(ticks(step * 1000), Now(step * 1000, UTC + step * 1000))
    print(
        "1 account, 20 positions, 3,600 ticks\n"
        f"    against the same process before, to reach + 15 MiB and 1 MiB of growth: "
        f"+ {first - before:.1f} MiB, then + {peak() - first:.1f} MiB"
    )


BENCHES = {
    "judge": judge,
    "tick": tick,
    "storm": storm,
    "past": past,
    "decode": decode,
    "start": start,
    "memory": memory,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ["memory", "judge", "tick", "storm", "past", "decode", "start"]:
        BENCHES[name]()
