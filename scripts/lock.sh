#!/bin/sh
# Pin the dependencies anew, with hashes and without any host name. Needs the command `uv`.
set -eu
cd "$(dirname "$0")/.."
lock="uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate"
$lock "$@" --extra build pyproject.toml -o requirements.txt
$lock "$@" --extra build --extra charts --extra dev pyproject.toml -c requirements.txt -o requirements-dev.txt
$lock "$@" peers/requirements.in -o peers/requirements.txt
