"""The man page: every command in it, and readable by whatever formats man pages."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.cli import main
from scripts import check_docs, man


def plain(page: str) -> str:
    """Undo what `escaped` does."""
    text = re.sub(r"\\\[u([0-9A-F]{4,})\]", lambda found: chr(int(found[1], 16)), page)
    for char, written in man._SPECIAL.items():
        text = text.replace(written, char) if char != "\\" else text
    return text.replace(r"\e", "\\")


def test_every_command_and_option_is_in_it() -> None:
    sections = dict(
        re.findall(r"^\.SS (\S+)\n(.*?)(?=^\.S[SH] )", plain(man.page()), re.MULTILINE | re.DOTALL)
    )
    options = {
        name: [flag for option in command.params for flag in option.opts if flag.startswith("--")]
        for name, command in main.commands.items()
    }
    assert set(sections) == set(options)
    missing = {
        (name, flag)
        for name, flags in options.items()
        for flag in flags
        if not re.search(rf"^\.B .*{flag}\b", sections[name], re.MULTILINE)
    }
    assert missing == set()


def test_it_says_all_that_a_man_page_is_opened_for() -> None:
    assert re.findall(r"^\.SH (.*)", man.page(), re.MULTILINE) == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT",
        "FILES",
    ]  # fmt: skip
    assert list(man._exit_codes()) == ["0", "1", "2", "3", "130"]


def test_a_text_is_shown_as_it_stands() -> None:
    assert list(man._lines([".rules ±1 % of 'a\\b' ~ --x"])) == [
        r"\&.rules \[u00B1]1 % of \(aqa\eb\(aq \(ti \-\-x"
    ]
    assert list(man._text("One\ntwo.\n\n\b\n  kept  as\n'it is")) == [
        "One two.", ".PP", ".nf", r"\&  kept  as", r"\&\(aqit is", ".fi",
    ]  # fmt: skip
    assert man.page().isascii()


@pytest.mark.parametrize(
    "command",
    [["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-man", "-Tutf8", "-ww", "-z"]],
    ids=["mandoc", "groff"],
)
def test_formatters_have_nothing_to_say(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = subprocess.run(
        [*command, str(man.PAGE)], capture_output=True, text=True, timeout=30, check=False
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
    assert said == []


def test_a_stale_page_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(man, "PAGE", tmp_path / "marginwatch.1")
    monkeypatch.setattr(check_docs, "generated", list)
    stale = [f"{man.PAGE}: is stale; run: python scripts/check_docs.py --write"]
    assert list(check_docs.stale_man_page()) == stale
    man.PAGE.write_text("another time")
    assert list(check_docs.stale_man_page()) == stale
    check_docs.write()
    assert list(check_docs.stale_man_page()) == []
    assert man.PAGE.read_text() == man.page()
