"""The program as others install it: a wheel, in a virtual environment, far from the checkout."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
import tomli

from tests.conftest import ROOT

VERSION = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
INFO, DATA = f"marginwatch-{VERSION}.dist-info", f"marginwatch-{VERSION}.data"
SHIPPED = ("contrib", "docs/lints", "docs/rules", "rules")
"""Folders of the checkout that go into the wheel as a whole, where there are any."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, as pipx and uv would."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds it, is not here")
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it; the folder of its virtual environment, which borrows what it depends on."""
    if find_spec("pip") is None:
        pytest.skip("pip, which installs it, is not here")
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder that a .pth names is searched, and .pth files in it are not followed: the checkout,
    # which an editable install names in that way, is out of sight.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder; what it said on stdout."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def below(folder: str, pattern: str = "*") -> Iterator[str]:
    """List the files below a folder of the checkout, but for what Python leaves there."""
    for path in (ROOT / folder).rglob(pattern):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(ROOT))


def test_everything_that_is_needed_is_in_it_and_nothing_else(wheel: Path) -> None:
    brought = {"config.example.toml", *(path for folder in SHIPPED for path in below(folder))}
    expected = {
        *below("monitor"),
        *(f"monitor/_shipped/{path}" for path in brought),
        f"{DATA}/data/share/man/man1/marginwatch.1",
        *(f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        f"{INFO}/licenses/LICENSE",
    }
    assert set(zipfile.ZipFile(wheel).namelist()) == expected
    kinds = {Path(path).suffix for path in below("monitor")}
    assert kinds <= {".py", ".typed", ".toml", ".html", ".css", ".js", ".svg"}


def test_it_asks_for_what_is_imported_and_for_nothing_else(wheel: Path) -> None:
    required, optional = required_by(metadata(wheel))
    known = packages_distributions()
    imported = {known[name][0].lower().replace("_", "-") for name in imports() if name in known}
    imported -= {"marginwatch", "pydantic-core"}  # pydantic pins its own half
    # Nobody imports tzdata: zoneinfo finds it.
    assert required - imported == {"tzdata"}
    assert imported - required - optional == set()


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{INFO}/METADATA").decode())


def required_by(of: Message) -> tuple[set[str], set[str]]:
    """Name the packages that it cannot be without, and those of extras for its users."""
    required, optional = set(), set()
    for line in of.get_all("Requires-Dist", []):
        name, _, marker = str(line).partition(";")
        plain = re.split(r"[^\w.-]", name.strip())[0].lower().replace("_", "-")
        extra = re.search(r"extra == '(\w+)'", marker)
        if extra is None:
            required.add(plain)
        elif extra[1] not in {"build", "dev"}:
            optional.add(plain)
    return required, optional


def imports() -> set[str]:
    """Name every top-level module that the program imports anywhere."""
    found = set()
    for name in below("monitor", "*.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module.partition(".")[0])
    return found


def test_it_works_where_nothing_else_of_ours_is(installed: Path, tmp_path: Path) -> None:
    python, program = str(installed / "bin" / "python"), str(installed / "bin" / "marginwatch")
    where = run([python, "-c", "import monitor; print(monitor.__file__)"], tmp_path)
    assert Path(where).is_relative_to(installed)
    assert (installed / "share" / "man" / "man1" / "marginwatch.1").is_file()
    assert run([python, "-m", "monitor", "--version"], tmp_path) == f"marginwatch {VERSION}\n"

    run([program, "init", "mine"], tmp_path)
    rules = {path for path in below("rules") if path.endswith(".toml")}
    written = {str(path.relative_to(tmp_path / "mine")) for path in tmp_path.rglob("*.toml")}
    assert written == {"config.toml", *rules}
    checked = run([program, "check", "--rules", "mine/rules"], tmp_path)
    assert checked.splitlines()[-1].endswith(" levels: fine")
    assert run([program, "test", "mine/rules"], tmp_path).endswith(" passed, 0 failed\n")
    assert (
        run([program, "demo", "--speed", "200"], tmp_path)
        .splitlines()[-1]
        .endswith(" messages in all.")
    )
