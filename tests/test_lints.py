"""Lints, word for word: what `check` tells of rules that are allowed and hardly meant."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cli import main
from monitor.core.lints import CODES, Surroundings, lint
from monitor.core.lints.finding import shortened
from monitor.core.metrics import VOCABULARY
from monitor.core.routing import Channel
from monitor.core.rules import Globs, Severity
from monitor.core.wording import among
from monitor.rulefile import parse_rules
from tests.core.random_worlds import RULES as WORLD_RULES

CONFIG = """
rules = ["r.toml", "blind.toml"]
[[account]]
name = "main"
api_key = "${KEY}"
api_secret = "${KEY}"
[[account]]
name = "hedge"
api_key = "${KEY}"
api_secret = "${KEY}"
[[account]]
name = "third"
api_key = "${KEY}"
api_secret = "${KEY}"
[[channel]]
name = "phone"
url = "json://127.0.0.1:9/x"
[[channel]]
name = "pager"
url = "json://127.0.0.1:9/y"
min_severity = "critical"
[[channel]]
name = "desk"
url = "json://127.0.0.1:9/z"
accounts = ["third"]
[heartbeat]
url = "http://127.0.0.1:9/beat"
"""
BLIND = '[[rule]]\nname = "blind"\nwarning = "stale_for > 0s"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "key-4711")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MARGINWATCH_CONFIG", raising=False)
    Path("blind.toml").write_text(BLIND)
    Path("config.toml").write_text(CONFIG)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["check", *args], prog_name="marginwatch")


def cases() -> list[tuple[str, str, str]]:
    """Read the cases: (title, rule file, what is told of it)."""
    pieces = (Path(__file__).parent / "lints.txt").read_text().split("\n== ")[1:]
    found = []
    for piece in pieces:
        title, _, rest = piece.partition("\n")
        text, _, told = rest.partition("--\n")
        found.append((title, text.rstrip("\n") + "\n", told.strip("\n")))
    return found


CASES = cases()


@pytest.mark.parametrize(
    ("text", "told"), [pytest.param(text, told, id=title) for title, text, told in CASES]
)
def test_what_is_told(text: str, told: str) -> None:
    Path("r.toml").write_text(text)
    result = run()
    strict = run("--strict")
    assert result.stderr.strip("\n") == told
    assert (result.exit_code, strict.exit_code) == (0, 1 if told else 0)
    number = len(re.findall("^r.toml:", told, re.MULTILINE))
    verdict = f"{number} warning{'s' * (number > 1)}" if number else "fine"
    assert result.stdout.endswith(f": {verdict}\n")


def test_each_code_has_a_case() -> None:
    """Of those about the configuration, the tests below."""
    told = "".join(each for _, _, each in CASES)
    rest = {"no-blindness", "no-heartbeat", "open-page"}
    assert {code for code in CODES if f"[{code}]" not in told} == rest


# The configuration around rules --------------------------------------------------------------


def test_the_configuration_is_looked_at_too() -> None:
    Path("blind.toml").unlink()
    config = CONFIG.replace(', "blind.toml"', "").replace('min_severity = "critical"\n', "")
    config = config.replace('/y"\n', '/y"\naccounts = ["m*", "x*"]\nrules = ["*", "!lsos"]\n')
    Path("config.toml").write_text(config)
    Path("r.toml").write_text(
        '[[rule]]\nname = "loss"\ncritical = "roi < -90%"\n'
        '[[rule]]\nname = "near"\ncritical = "margin_room < 20%"\n'
        '[[rule]]\nname = "old"\ninfo = "data_age > 1m"\naccounts = ["main"]\n'
    )
    result = run()
    blind = (
        "no rule tells when this account cannot be seen, and what cannot be seen raises no alarm"
    )
    assert (
        result.stderr
        == f"""\
config.toml:7:1: warning: account "hedge": {blind} [no-blindness]
    [[account]]
    ^ take the shipped rule `blind` (watch.toml), or write one on stale_for
config.toml:11:1: warning: account "third": {blind} [no-blindness]
    [[account]]
    ^ take the shipped rule `blind` (watch.toml), or write one on stale_for
config.toml:15:1: warning: channel "phone": critical alerts of 2 rules (loss, near) come here \
alone: if this service is down, nobody hears [single-channel]
    [[channel]]
    ^ add a [[channel]] over another service, or let another one take them too
config.toml:21:19: warning: channel "pager", accounts: "x*" matches no account [applies-to-nothing]
    accounts = ["m*", "x*"]
                      ^ there are main, hedge, third
config.toml:22:15: warning: channel "pager", rules: "lsos" matches no rule [applies-to-nothing]
    rules = ["*", "!lsos"]
                  ^ did you mean "loss"?
"""
    )


def test_a_rule_about_positions_does_not_tell_of_blindness() -> None:
    Path("blind.toml").write_text(BLIND.replace("0s", "0s and notional > 0"))
    Path("r.toml").write_text('[[rule]]\nname = "near"\ninfo = "margin_room < 20%"\n')
    assert run().stderr.count("[no-blindness]") == 3


def test_comments_in_the_configuration_count() -> None:
    comment = "# check: ignore no-blindness it is empty\n[[account]]\nname = "
    config = CONFIG.replace('[[account]]\nname = "hedge"', comment + '"hedge"')
    config = config.replace('name = "third"', 'name = "third" # check: ignore no-blindness so')
    Path("config.toml").write_text(config + "# check: ignore no-heartbeat none yet\n")
    Path("blind.toml").write_text(BLIND + 'accounts = ["main"]\n')
    Path("r.toml").write_text('[[rule]]\nname = "near"\ninfo = "margin_room < 20%"\n')
    assert run().stderr == (
        "config.toml:29:1: warning: this ignores nothing: no-heartbeat is not found here "
        "[unused-ignore]\n"
        "    …\n"
        "    ^ leave the comment out\n"
    )


def test_what_is_of_no_account_needs_no_account() -> None:
    Path("config.toml").write_text(CONFIG.replace('"critical"', '"critical"\naccounts = ["no*"]'))
    Path("r.toml").write_text('[[rule]]\nname = "banned"\non = ["banned"]\nseverity = "critical"\n')
    assert run().stderr == (
        'config.toml:22:13: warning: channel "pager", accounts: "no*" matches no account '
        "[applies-to-nothing]\n"
        '    accounts = ["no*"]\n'
        "                ^ there are main, hedge, third\n"
    )


def test_rules_alone_are_not_held_against_what_is_not_known() -> None:
    """Nor are comments about it: what they silence may well be there."""
    Path("r.toml").write_text(
        '# check: ignore single-channel one is enough\n[[rule]]\nname = "r"\n'
        'critical = "adl > 3"\naccounts = ["nobody"]\nchannels = ["phone"]\n'
        "for = '6s'  # check: ignore zero-threshold what was that?\n"
    )
    expected = [
        (
            'r.toml:7:7: warning: rule "r", critical: waits for 6 s before anybody is told; a '
            "position near liquidation can be gone by then [slow-critical]"
        ),
        (
            "r.toml:7:13: warning: this ignores nothing: zero-threshold is not found here "
            "[unused-ignore]"
        ),
    ]
    alone = [line for line in run("--rules", "r.toml").stderr.splitlines() if line[:1] != " "]
    other = run("-c", "config.toml", "--rules", "r.toml").stderr
    assert alone == expected
    assert [line for line in other.splitlines() if line[:1] != " "] == [
        'r.toml:5:13: warning: rule "r": "nobody" matches no account [applies-to-nothing]',
        *expected,
    ]


def test_json_tells_code_and_place() -> None:
    Path("config.toml").write_text(CONFIG.replace(', "blind.toml"', ""))
    Path("r.toml").write_text(
        '[[rule]]\nname = "old"\ninfo = "stale_for > 1m"\n'
        '[[rule]]\nname = "r"\ninfo = "adl > 4"\naccounts = ["zz"]\n'
    )
    document = json.loads(run("--json").stdout)
    assert document["warnings"] == []
    assert document["lints"] == [
        {
            "code": "never-true",
            "file": "r.toml",
            "line": 6,
            "column": 9,
            "rule": "r",
            "severity": "info",
            "text": "this can never hold: adl is 0 to 4",
            "hint": "change the threshold, or leave the level out",
            "page": "docs/lints/never-true.md",
        },
        {
            "code": "applies-to-nothing",
            "file": "r.toml",
            "line": 7,
            "column": 13,
            "rule": "r",
            "severity": None,
            "text": '"zz" matches no account',
            "hint": "there are main, hedge, third",
            "page": "docs/lints/applies-to-nothing.md",
        },
    ]


WITHOUT_HEARTBEAT = CONFIG.partition("[heartbeat]")[0]


def test_a_missing_heartbeat_has_no_line_and_is_told_of_the_file() -> None:
    Path("config.toml").write_text(WITHOUT_HEARTBEAT)
    Path("r.toml").write_text('[[rule]]\nname = "r"\ninfo = "adl > 3"\n')
    assert run("--strict").exit_code == 1
    assert run().stderr == (
        "config.toml: warning: configuration: nothing outside of this machine notices when the "
        "program is gone [no-heartbeat]\n"
        "    add a [heartbeat] with the address of a service that misses it\n"
    )


def test_a_comment_in_any_line_silences_what_has_none() -> None:
    comment = "# check: ignore no-heartbeat the machine is watched otherwise\n"
    first, _, rest = WITHOUT_HEARTBEAT.partition("[[account]]")
    Path("r.toml").write_text('[[rule]]\nname = "r"\ninfo = "adl > 3"\n')
    for text in (
        f"{first}{comment}[[account]]{rest}",
        f"{WITHOUT_HEARTBEAT}{comment}",
        f"{WITHOUT_HEARTBEAT}{comment}# [heartbeat]\n",
    ):
        Path("config.toml").write_text(text)
        assert (run("--strict").exit_code, run().stderr) == (0, "")
    Path("config.toml").write_text(WITHOUT_HEARTBEAT)
    Path("blind.toml").write_text(BLIND + comment)  # it is no matter of rules
    assert [line.rpartition("[")[2] for line in run().stderr.splitlines() if line[0] != " "] == [
        "no-heartbeat]",
        "unused-ignore]",
    ]


@pytest.mark.parametrize(
    ("listen", "warned"),
    [
        ("127.0.0.1:9187", False),
        ("127.8.9.1:9187", False),
        ("[::1]:9187", False),
        ("localhost:9187", False),
        ("0.0.0.0:9187", True),
        ("[::]:9187", True),
        ("192.168.1.7:9187", True),
    ],
)
def test_a_page_that_others_reach_is_warned_of(listen: str, warned: bool) -> None:  # noqa: FBT001 - a table
    Path("r.toml").write_text('[[rule]]\nname = "r"\ninfo = "adl > 3"\n')
    Path("config.toml").write_text(f'{CONFIG}[http]\nlisten = "{listen}"\n')
    assert run("--strict").exit_code == int(warned)
    place = " " * len("    listen = ")
    assert run().stderr == (
        f"config.toml:29:10: warning: configuration: whoever reaches {listen} sees accounts and "
        "positions without a password [open-page]\n"
        f'    listen = "{listen}"\n'
        f"{place}^ listen on 127.0.0.1, and reach it by an SSH tunnel or a proxy that asks who is "
        "there\n"
        if warned
        else ""
    )


def test_rules_written_inline_have_places_too() -> None:
    Path("r.toml").write_text('rule = [{ name = "r", info = "adl > 4" }]\n')
    assert run("--rules", "r.toml").stderr.startswith('r.toml:1:31: warning: rule "r", info: ')


def test_the_shipped_rules_and_the_example_have_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BINANCE_API_KEY", "BINANCE_API_SECRET", "TELEGRAM_CHAT"):
        monkeypatch.setenv(name, "12345678")
    monkeypatch.setenv("TELEGRAM_TOKEN", "123456789:" + "a" * 35)
    result = run("-c", str(root / "config.example.toml"), "--strict")
    assert (result.exit_code, result.stderr) == (0, "")
    result = run("--rules", str(root / "rules"), "--strict")
    assert (result.exit_code, result.stderr) == (0, "")


# The core alone ------------------------------------------------------------------------------

AROUND = Surroundings((("main", "binance-usdm"),), (Channel("phone"), Channel("mail")))


def test_a_heartbeat_is_missed_only_where_there_could_be_one() -> None:
    rules = parse_rules(BLIND)
    assert lint(rules, AROUND) == ()
    for beats in (None, True):
        around = Surroundings(AROUND.accounts, AROUND.channels, heartbeat=beats)
        assert lint(rules, around) == ()
    around = Surroundings(AROUND.accounts, AROUND.channels, heartbeat=False)
    assert [(finding.code, finding.at) for finding in lint(rules, around)] == [("no-heartbeat", ())]


def test_many_names_and_long_conditions_are_shortened() -> None:
    assert among(["a"]) == "a"
    assert among(["a", "b", "c"]) == "a, b, c"
    assert among(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert shortened("roi\n  < 5%") == "roi < 5%"
    assert (
        shortened("roi < 5% or " * 9)
        == "roi < 5% or roi < 5% or roi < 5% or roi < 5% or roi < 5% or…"
    )


NUMBERS = sorted(
    name
    for name, word in VOCABULARY.items()
    if word.unit.value in {"ratio", "money", "multiple", "number", "price", "duration"}
)
SUFFIXES = {"ratio": "%", "multiple": "x", "duration": "s"}


@st.composite
def conditions(draw: st.DrawFn) -> str:
    def comparison() -> str:
        name = draw(st.sampled_from(NUMBERS))
        suffix = SUFFIXES.get(VOCABULARY[name].unit.value, "")
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        constant = draw(st.sampled_from(["0", "1", "4", "20", "100"]))
        text = draw(st.sampled_from(['side == "long"', 'margin_type != "cross"', 'symbol ~ "b*"']))
        return draw(st.sampled_from([f"{name} {sign} {constant}{suffix}"] * 3 + [text]))

    joints = [draw(st.sampled_from([" and ", " or ", " and not "])) for _ in range(3)]
    count = draw(st.integers(1, 4))
    return comparison() + "".join(joint + comparison() for joint in joints[: count - 1])


GLOBS = st.lists(st.sampled_from(["*", "!*", "BTC*", "!BTC*", "main", "!main", "btc"]), max_size=3)


@st.composite
def rule_files(draw: st.DrawFn) -> str:
    rules = []
    for number in range(draw(st.integers(1, 4))):
        lines = [f'[[rule]]\nname = "r{number}"']
        on = ""
        if draw(st.integers(0, 4)) == 0:
            on = draw(st.sampled_from(['["liquidation"]', '["adl", "liquidation"]', '["banned"]']))
            severity = draw(st.sampled_from(["info", "critical"]))
            lines += [f"on = {on}", f'severity = "{severity}"']
        else:
            words = draw(st.sets(st.sampled_from(["info", "warning", "critical"]), min_size=1))
            lines += [f"{word} = '{draw(conditions())}'" for word in words]
            lines.append(f'for = "{draw(st.sampled_from(["0s", "5s", "6s"]))}"')
            lines.append(f'hysteresis = "{draw(st.sampled_from(["0%", "10%"]))}"')
        accounts = draw(GLOBS)
        if accounts and "banned" not in on:
            lines.append(f"accounts = {json.dumps(accounts)}")
        if draw(st.booleans()):
            lines.append('channels = ["phone"]')
        rules.append("\n".join(lines))
    return "\n".join(rules)


@settings(max_examples=150)
@given(rule_files(), GLOBS, st.booleans())
def test_whatever_the_rules_are_lints_answer(text: str, globs: list[str], whole: bool) -> None:  # noqa: FBT001 - Hypothesis hands it on by place
    rules = parse_rules(text)
    channels = (Channel("phone", Severity.WARNING, rules=Globs(globs or ["*"])), Channel("mail"))
    for around in (None, Surroundings((("main", "x"), ("hedge", "x")), channels, whole=whole)):
        for finding in lint(rules, around):
            assert finding.code in CODES
            assert finding.text
            assert finding.hint


def test_the_rules_of_the_random_worlds_can_be_linted() -> None:
    found = [(finding.code, finding.rule) for finding in lint(WORLD_RULES, AROUND)]
    assert found == [("slow-critical", "blind")]
