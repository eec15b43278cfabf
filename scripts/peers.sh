#!/bin/sh
# Run other people's clients against the simulator, in a virtual environment of their own.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv-peers/.ready-$(cksum < peers/requirements.txt | tr -d ' ')
if [ ! -f "$stamp" ]; then
    rm -rf .venv-peers
    .venv/bin/python -m venv .venv-peers
    .venv-peers/bin/python -m pip --disable-pip-version-check --quiet install \
        --require-hashes --no-deps -r peers/requirements.txt
    : > "$stamp"
fi
exec .venv/bin/python peers/run.py .venv-peers/bin/python
