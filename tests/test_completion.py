"""`marginwatch completion`: the scripts, and what a Tab offers in a real bash, zsh and fish."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.cli.completing import VARIABLE

PROGRAM = Path(sys.executable).with_name("marginwatch")
CONFIG = """
rules = ["rules/*.toml"]
[[account]]
name = "main"
api_key = "${NO_SUCH_KEY}"
api_secret = "s3cr3t-that-nobody-may-see"
[[account]]
name = "swing"
[[channel]]
name = "phone"
url = "tgram://${NO_SUCH_TOKEN}/1"
[[channel]]
name = "pager"
stale_afer = "a fault, and no reason to offer nothing"
"""
RULES = '[[rule]]\nname = "loss"\n[[rule]]\nname = "lost"\n[[rule]]\nno_name = 1\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a configuration that would not be loaded: no secret of it is there."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "rules" / "mine.toml").write_text(RULES)
    (tmp_path / "rules" / "broken.toml").write_text("[[rule")
    (tmp_path / "rules" / "mine.test.toml").write_text('[[rule]]\nname = "lo-no-rule"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MARGINWATCH_CONFIG", raising=False)
    return tmp_path


def offered(*words: str) -> list[str]:
    """Press Tab behind words, the last of them perhaps not finished: what is offered."""
    line = " ".join(["marginwatch", *words])
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(main, [], env=asked, prog_name="marginwatch")
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.split()  # nothing is an empty line


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(["unsil"], ["plain,unsilence"], id="a command"),
        pytest.param(["notify", "--ch"], ["plain,--channel"], id="an option"),
        pytest.param(["completion", "z"], ["plain,zsh"], id="a word of a few"),
        pytest.param(["notify", "--channel", "p"], ["plain,pager", "plain,phone"], id="channels"),
        pytest.param(["history", "--channel", "ph"], ["plain,phone"], id="channels of history"),
        pytest.param(["silence", "--rule", "lo"], ["plain,loss", "plain,lost"], id="rules"),
        pytest.param(
            ["silence", "--rule", "loss", "--account", "s"], ["plain,swing"], id="another"
        ),
        pytest.param(["why", "lo"], ["plain,loss", "plain,lost"], id="rules of why"),
        pytest.param(["why", "loss", "s"], ["plain,swing"], id="its targets begin with accounts"),
        pytest.param(["silence", "--account", "x"], [], id="nothing of this name"),
        pytest.param(["why", "lo"], ["plain,loss", "plain,lost"], id="a rule to explain"),
        pytest.param(["why", "loss", "m"], ["plain,main"], id="and its account"),
        pytest.param(["backup", "x"], ["file,x"], id="a file that is to be"),
        pytest.param(["test", "ru"], ["file,ru"], id="files"),
        pytest.param(["check", "--rules", "ru"], ["file,ru"], id="files of an option"),
        pytest.param(["positions", "--rules", "ru"], ["file,ru"], id="files of a shared option"),
        pytest.param(["run", "-c", "con"], ["file,con"], id="a configuration"),
    ],
)
def test_what_a_tab_offers(here: Path, words: list[str], names: list[str]) -> None:
    assert offered(*words) == names


@pytest.mark.parametrize("named", ["other.toml", "~/other.toml"])
def test_the_configuration_that_the_line_names_counts(here: Path, named: str) -> None:
    (here / "other.toml").write_text('[[channel]]\nname = "desk"\nurl = "json://h"\n')
    assert offered("notify", "-c", named, "--channel", "") == ["plain,desk"]


@pytest.mark.parametrize(
    "text", [None, "", "[[channel", 'channel = "x"\n', "[[channel]]\nname = 1\n"]
)
def test_without_anything_to_read_nothing_is_offered_and_nothing_said(
    here: Path, text: str | None
) -> None:
    (here / "config.toml").unlink()
    if text is not None:
        (here / "config.toml").write_text(text)
    assert offered("notify", "--channel", "") == []
    assert offered("silence", "--account", "") == []
    assert offered("notify", "-c", "no-such-file", "--channel", "") == []


def test_it_speaks_of_no_other_shell() -> None:
    result = CliRunner().invoke(main, ["completion", "tcsh"], standalone_mode=False)
    assert "'tcsh' is not one of 'bash', 'fish', 'zsh'" in str(result.exception)


# What each shell is given, so that it shows what it would offer behind a line.
_BASH = """
eval "$(marginwatch completion bash)"
COMP_WORDS=({line} ""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE="{line} "
_marginwatch_completion marginwatch
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_ZSH = """
compdef() {{ :; }}
compadd() {{ print -rl -- "${{(@P)@[-1]}}"; }}  # its last argument names the array
eval "$(marginwatch completion zsh)"
words=({line} ""); CURRENT=${{#words}}
_marginwatch_completion
"""
_FISH = """
marginwatch completion fish | source
complete --do-complete "{line} "
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", _BASH), ("zsh", _ZSH), ("fish", _FISH)])
def test_a_real_shell_offers_the_names(here: Path, shell: str, script: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} here")
    environ = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [found, "-c", script.format(line="marginwatch notify --channel")],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["pager", "phone"], "")
