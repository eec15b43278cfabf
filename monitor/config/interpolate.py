"""`${NAME}`, `${file:/path}` and `${credential:NAME}` in the texts of config.toml.

What is missing is noted with its place, and the text left as it stands, so that one run tells all
of it. Values appear in no fault.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from monitor.config.machine import expanded
from monitor.toml_positions import Trail

_PIECE = re.compile(r"\$\$|\$\{(?P<inner>[^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST = 65_536
_OTHERS = 0o077
_CLOSED_FOLDER = Path("/run/secrets")  # Docker and Kubernetes guard it by other means than modes


class Missing(NamedTuple):
    """Something that a text asks for and that cannot be had."""

    trail: Trail
    problem: str
    hint: str


class _NotHad(Exception):
    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


@dataclass
class Interpolation:
    """Fills the texts of one document.

    Args:
        environ: The environment.
        folder: Of config.toml; relative paths start there.
        skip: Keys whose texts are left as they stand.
    """

    environ: Mapping[str, str]
    folder: Path
    skip: frozenset[str] = frozenset()
    missing: list[Missing] = field(default_factory=list)
    filled: dict[Trail, frozenset[str]] = field(default_factory=dict)
    """For each text in which something was replaced: what it was replaced with."""
    from_files: set[str] = field(default_factory=set)
    """Values out of files and credentials, secret wherever they stand."""

    def fill(self, value: object, trail: Trail = ()) -> object:
        """Give back `value` with every text in it filled."""
        if isinstance(value, Mapping):
            return {
                key: inner if key in self.skip else self.fill(inner, (*trail, key))
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.fill(inner, (*trail, number)) for number, inner in enumerate(value)]
        return self._text(value, trail) if isinstance(value, str) else value

    def _text(self, text: str, trail: Trail) -> str:
        values: set[str] = set()

        def replaced(piece: re.Match[str]) -> str:
            if piece[0] == "$$":
                return "$"
            try:
                value = self._value(piece["inner"])
            except _NotHad as exc:
                self.missing.append(Missing(trail, exc.problem, exc.hint))
                return piece[0]
            values.add(value)
            return value

        result = _PIECE.sub(replaced, text)
        if values:
            self.filled[trail] = frozenset(values)
        return result

    def _value(self, inner: str | None) -> str:
        if inner is None:
            raise _NotHad("a ${ without its }", "write $$ for the character itself")
        kind, colon, rest = inner.partition(":")
        if colon and kind == "file":
            return self._file(expanded(rest, self.environ), closed=None)
        if colon and kind == "credential":
            return self._credential(rest)
        if colon or not _NAME.fullmatch(inner):
            hint = "there are ${NAME}, ${file:/path} and ${credential:NAME}"
            if _NAME.fullmatch(rest) and kind in {"env", "ENV", "environ"}:
                hint = f"did you mean ${{{rest}}}?"
            # Not repeated: somebody may have put the secret itself between the braces.
            raise _NotHad("a ${…} that names nothing", hint)
        return self._variable(inner)

    def _variable(self, name: str) -> str:
        value = self.environ.get(name)
        if not value:
            problem = (
                f"the environment variable {name} is {'not set' if value is None else 'empty'}"
            )
            raise _NotHad(problem, f"export {name}=…, or write ${{file:/path}} with a file for it")
        return value

    def _credential(self, name: str) -> str:
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            hint = f"in the unit, write LoadCredential={name}:/path; systemd sets the rest"
            raise _NotHad(f"no credential {name}: CREDENTIALS_DIRECTORY is not set", hint)
        if not name or "/" in name or name in {".", ".."}:
            raise _NotHad(f"${{credential:{name}}} is no name of a credential", "")
        return self._file(Path(folder, name), closed=Path(folder))

    def _file(self, path: Path, closed: Path | None) -> str:
        if "\0" in str(path):
            raise _NotHad("a ${…} with a zero byte in its path", "")
        path = self.folder / path
        try:
            mode, raw = _read(path)
        except FileNotFoundError:
            raise _NotHad(
                f"there is no file {path}", "write the secret into it, and nothing else"
            ) from None
        except OSError as exc:
            raise _NotHad(f"{path} cannot be read: {exc.strerror}", "") from None
        if not stat.S_ISREG(mode):
            what = "is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
            raise _NotHad(f"{path} {what}", "name a file that holds the secret, and nothing else")
        if mode & _OTHERS and closed is None and not self._guarded(path):
            problem = f"{path} can be read by others (mode {mode & 0o7777:04o})"
            raise _NotHad(problem, f"run: chmod 600 {shlex.quote(str(path))}")
        value = self._decoded(raw, path)
        self.from_files.add(value)
        return value

    def _guarded(self, path: Path) -> bool:
        folders = [_CLOSED_FOLDER]
        if self.environ.get("CREDENTIALS_DIRECTORY"):
            folders.append(Path(self.environ["CREDENTIALS_DIRECTORY"]))
        real = path.resolve()
        return any(real.is_relative_to(folder.resolve()) for folder in folders)

    @staticmethod
    def _decoded(raw: bytes, path: Path) -> str:
        if len(raw) > _LARGEST:
            raise _NotHad(f"{path} is larger than 64 KiB", "is it the right file?")
        try:
            text = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise _NotHad(f"{path} is not UTF-8", "is it the right file?") from None
        if not text:
            raise _NotHad(f"{path} is empty", "write the secret into it, and nothing else")
        return text


def _read(path: Path) -> tuple[int, bytes]:
    """Read the beginning of a file; of what is no regular file, nothing but its mode.

    Raises:
        OSError: There is none, or it may not be read.
    """
    # Without waiting: a pipe opens when somebody writes to it, and that may be never.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            return mode, b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return mode, file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def exposed(path: Path) -> str:
    """Tell the mode of a file that others can do something with; "" where only its owner can."""
    mode = path.stat().st_mode
    return f"{mode & 0o7777:04o}" if mode & _OTHERS else ""
