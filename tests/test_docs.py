"""The documents agree with the code; the same checks as `make check` runs, each by its name."""

from pathlib import Path

import click
import pytest

from monitor.cli import main as command_line
from scripts import check_docs
from scripts.documents import citations, examples, generated, pages


def test_generated_parts_are_what_the_code_says() -> None:
    assert list(check_docs.stale_parts()) == []


def test_the_man_page_is_what_the_commands_say() -> None:
    assert list(check_docs.stale_man_page()) == []


def test_toml_examples_are_taken_by_the_program() -> None:
    assert list(examples.wrong_examples()) == []


def test_shell_lines_are_real_commands() -> None:
    assert list(examples.wrong_commands()) == []


def test_metrics_commands_keys_and_rules_are_documented() -> None:
    assert list(check_docs.undocumented()) == []


def test_keys_of_tables_within_tables_have_to_be_documented_too() -> None:
    keys = set(check_docs._config_key_names())
    assert {"poll_interval", "ws_api", "from", "min_severity", "every", "format"} <= keys
    assert not {"account", "channel", "log", "heartbeat", "quiet_hours", "endpoints"} & keys


def test_each_shipped_rule_has_a_page_with_the_usual_headings() -> None:
    assert list(check_docs.wrong_rule_pages()) == []


def test_each_lint_has_a_page_with_the_usual_headings() -> None:
    assert list(check_docs.wrong_lint_pages()) == []


def test_relative_links_lead_somewhere() -> None:
    assert list(citations.broken_links()) == []


def test_citations_name_a_document_and_a_section_of_it() -> None:
    assert list(citations.wrong_citations()) == []


def test_every_trap_of_the_protocol_has_a_test() -> None:
    assert list(citations.untested_traps()) == []


def test_the_readme_is_no_manual() -> None:
    assert list(check_docs.long_readme()) == []


def test_no_check_is_forgotten_here() -> None:
    seen = {"stale_parts", "wrong_examples", "wrong_commands", "undocumented"}
    seen |= {"wrong_lint_pages", "wrong_rule_pages", "broken_links", "wrong_citations"}
    seen |= {"untested_traps"}
    seen |= {"long_readme", "stale_man_page"}
    assert {check.__name__ for check in check_docs.CHECKS.values()} == seen


# ------------------------------------------------------------------ the checks find what is wrong


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("$ marginwatch trade --all", id="no such command"),
        pytest.param("marginwatch check --rule 'rules/*.toml'", id="no such option"),
        pytest.param("marginwatch --verbose", id="no such option of the group"),
        pytest.param("marginwatch notify", id="an argument is missing"),
        pytest.param("marginwatch demo --speed fast", id="no such value"),
        pytest.param("KEY=1 .venv/bin/marginwatch chek", id="behind a variable, by its path"),
        pytest.param("cd ~/watch && marginwatch chek", id="the second of two"),
        pytest.param("sudo -u watch marginwatch alerts --al", id="as somebody else"),
        pytest.param("ExecStart=/opt/bin/marginwatch run -f x", id="in a unit"),
    ],
)
def test_a_wrong_shell_line_is_found(line: str) -> None:
    assert examples.wrong_line(line) is not None


@pytest.mark.parametrize(
    "line",
    [
        "$ marginwatch check -c config.toml --strict | tail -1",
        "marginwatch demo --speed 60 --json > notices.jsonl",
        'marginwatch notify --channel phone "Can you hear me?"  # a comment',
        "marginwatch run --help",
        "marginwatch --version",
        "marginwatch init ~/watch && cd ~/watch; marginwatch run &",
        "sudo -u watch marginwatch alerts",
        "it's no shell line",
        "systemctl stop marginwatch",
        "2026-01-02 03:04:05 info    main: no positions",
        "",
    ],
)
def test_a_right_shell_line_passes(line: str) -> None:
    assert examples.wrong_line(line) is None


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("marginwatch", None),
        ("marginwatch --version", None),
        ("marginwatch check --rules", None),
        ("marginwatch silence", None),
        ("marginwatch completion bash|zsh|fish", None),
        ("marginwatch silnce", "no such command: silnce"),
        ("marginwatch check --onlin", "no such option: --onlin"),
        ("marginwatch --verbose", "no such option: --verbose"),
    ],
)
def test_prose_names_commands_and_options_that_there_are(span: str, said: str | None) -> None:
    assert examples.wrong_span(span) == said


def test_wrong_commands_are_found_in_prose_blocks_and_help(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = elsewhere / "a.md"
    page.write_text("See `marginwatch chek`.\n```sh\nmarginwatch chek\n```\n")
    monkeypatch.setattr(
        command_line.commands["check"],
        "help",
        "Check.\n\n\b\n  marginwatch chek      the rules\n  marginwatch check   it\n",
    )
    assert list(examples.wrong_commands()) == [
        f"{page}:2: `marginwatch chek`: no such command: chek",
        f"{page}: `marginwatch chek`: no such command: chek",
        "marginwatch check --help: `marginwatch chek`: no such command: chek",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a = ", "is not TOML", id="no TOML"),
        pytest.param(
            '[[rule]]\nname = "r"\ninfo = "roi < 5"\n', "did you mean 5%?", id="a wrong rule"
        ),
        pytest.param('stale_afer = "30s"\n', "stale_after", id="a wrong key"),
        pytest.param('[[channel]]\nname = "phone"\n', "url", id="a channel without its url"),
        pytest.param('[[do]]\nat = "1m"\nwhat = "depost"\n', "deposit", id="a wrong deed"),
    ],
)
def test_a_wrong_example_is_found(text: str, said: str) -> None:
    assert said in str(examples.wrong_toml(text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[[channel]]\nname = "p"\nurl = "tgram://${T}/${C}"\n', id="a channel alone"),
        pytest.param('stale_after = "1m"\n', id="a key alone"),
        pytest.param('[[fault]]\nat = "1m"\nwhat = "drop"\n', id="a fault alone"),
    ],
)
def test_a_part_of_a_file_is_completed_before_it_is_loaded(text: str) -> None:
    assert examples.wrong_toml(text) is None


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents of our own; the rest of the repository stays as it is."""
    for module in (citations, examples):
        monkeypatch.setattr(module, "documents", lambda: sorted(tmp_path.glob("*.md")))
    return tmp_path


def test_links_that_lead_nowhere_are_found(elsewhere: Path) -> None:
    (elsewhere / "a.md").write_text(
        "# A title\n[here](#a-title) [b](b.md#two-words) [web](https://example.com)\n"
        "[gone](c.md) [lost](b.md#three)\n```text\n[in a block](d.md)\n```\n"
    )
    (elsewhere / "b.md").write_text("## Two words\n")
    where = elsewhere / "a.md"
    assert list(citations.broken_links()) == [
        f"{where}: the link c.md leads to no file",
        f"{where}: the link b.md#three leads to no heading",
    ]


@pytest.fixture
def citing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that cites, beside a numbered document, `wire.md`, and one without numbers."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "wire.md").write_text("# Wire\n## 5. Events\n### 5.1 Balances\n## 6. Polls\n")
    (docs / "why.md").write_text("# Why\n## The flow\n")
    path = tmp_path / "code.py"
    monkeypatch.setattr(citations, "DOCS", docs)
    monkeypatch.setattr(citations, "citing_files", lambda: [path])
    return path


SIGN = "\N{SECTION SIGN}"


def spelled(text: str) -> str:
    """Write a citation out; as it is, an example here would be taken for one of ours."""
    return text.replace("@", SIGN).replace("~", "docs/")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("~wire.md @5", id="a section"),
        pytest.param("see `~wire.md` @5.1, @5 and @6", id="several"),
        pytest.param("# ~wire.md @5 to @5.1,\n# @6 here", id="over the end of a line"),
        pytest.param("sections are those of ~wire.md\n(@5.1)", id="of what was named before"),
        pytest.param("~wire.md, ~why.md\n(@5.1)", id="of the one with numbers"),
        pytest.param("as in ~why.md", id="no section"),
    ],
)
def test_a_citation_that_leads_somewhere_passes(citing: Path, text: str) -> None:
    citing.write_text(spelled(text))
    assert list(citations.wrong_citations()) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param("~wire.md @7", 1, "~wire.md has no section 7", id="no such section"),
        pytest.param("\n~wire.md @5, @5.2", 2, "~wire.md has no section 5.2", id="second"),
        pytest.param("~wire.md\n(@51)", 2, "~wire.md has no section 51", id="later"),
        pytest.param("~why.md @5", 1, "~why.md has no section 5", id="without numbers"),
        pytest.param("~gone.md", 1, "there is no ~gone.md", id="no such document"),
        pytest.param("(@5)", 1, "@5 of which document? Write docs/….md @5", id="of nothing"),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(
    citing: Path, text: str, line: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", citing.parent)
    citing.write_text(spelled(text))
    assert list(citations.wrong_citations()) == [f"code.py:{line}: {spelled(said)}"]


def test_a_numbered_document_may_cite_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"## 1. One\nas {SIGN}2 says\n## 2. Two\n{SIGN}3\n")
    monkeypatch.setattr(citations, "citing_files", lambda: [page])
    assert list(citations.wrong_citations()) == [f"{page}:4: {page} has no section 3"]


def test_looking_at_a_command_line_leaves_the_commands_as_they_are() -> None:
    """A command keeps the help option that it was first asked for: without `-h`, for ever."""
    bare = click.Command("bare")
    command_line.add_command(bare)
    try:
        assert examples.wrong_line("marginwatch bare") is None
        with click.Context(command_line, **command_line.context_settings) as group:
            help_option = bare.get_help_option(click.Context(bare, parent=group))
    finally:
        del command_line.commands["bare"]
    assert help_option is not None
    assert help_option.opts == ["-h", "--help"]


def test_a_stale_part_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    part = generated.Part(page, "numbers", lambda: "| 1 |")
    monkeypatch.setattr(check_docs, "generated", lambda: [part])
    monkeypatch.setattr(check_docs, "stale_man_page", list)  # the real one is not ours to write
    assert [fault.partition(": ")[2] for fault in check_docs.stale_parts()] == [
        "does not exist, and has to hold the generated part `numbers`"
    ]
    page.write_text("# Page\n")
    assert "has no place for `numbers`" in next(check_docs.stale_parts())
    page.write_text("# Page\n<!-- generated: numbers -->\n| 0 |\n<!-- end of numbers -->\nrest\n")
    assert list(check_docs.stale_parts()) == [
        f"{page}: `numbers` is stale; run: python scripts/check_docs.py --write"
    ]
    check_docs.write()
    assert list(check_docs.stale_parts()) == []
    assert page.read_text().endswith("\n| 1 |\n\n<!-- end of numbers -->\nrest\n")


_TRAPS = """
## 0. Traps

1. The first, `test_trap_0_1_one`.
2. The second.

## 11. More

| | trap | test |
| --- | --- | --- |
| 1 | The third | `test_trap_11_1_three` |
| 2 | The fourth | `test_trap_11_1_three` |

## 12. The end
"""


def test_traps_without_tests_and_tests_without_traps_are_found() -> None:
    assert list(citations.wrong_traps(_TRAPS, {"test_trap_0_1_one", "test_trap_11_3_five"})) == [
        "docs/protocol.md: trap 0_2 names no test test_trap_0_2_…",
        "docs/protocol.md: trap 11_1: there is no test_trap_11_1_three in tests/traps",
        "docs/protocol.md: trap 11_2 names no test test_trap_11_2_…",
        "docs/protocol.md: trap 11_2: there is no test_trap_11_1_three in tests/traps",
        "tests/traps: test_trap_11_3_five: docs/protocol.md lists no such trap",
    ]
