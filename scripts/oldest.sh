#!/bin/sh
# Run tests with the oldest versions that pyproject.toml allows, in a .venv-oldest of their own.
# Needs the command `uv`. What else is given goes to pytest: scripts/oldest.sh tests/test_config.py
set -eu
cd "$(dirname "$0")/.."
folder=.venv-oldest
tools="editables hatchling hypothesis pytest pytest-trio pytest-xdist trustme"
uv venv --quiet --clear --python "${PYTHON:-3.11}" "$folder"
uv pip compile --quiet --resolution lowest-direct --python-version 3.11 pyproject.toml -o "$folder/oldest.txt"
# Of pytest and its kind the versions of today: only what runs the program is tried.
# shellcheck disable=SC2086
uv pip install --quiet --python "$folder/bin/python" -r "$folder/oldest.txt" $tools
uv pip install --quiet --python "$folder/bin/python" --no-deps --no-build-isolation -e .
[ $# -gt 0 ] || set -- -n 2
exec "$folder/bin/python" -m pytest -q "$@"
