#!/bin/sh
# Make .venv ready: the pinned tools and this package. Does nothing when it is ready already.
#
# A .venv counts only with a stamp that is written last: `python3 -m venv` on a machine without
# python3-venv fails and leaves a half-made folder behind.
set -eu
cd "$(dirname "$0")/.."

python=""
for candidate in python3.13 python3.12 python3.11 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "marginwatch needs Python 3.11 or newer; none of python3.13, python3.12, python3.11, python3 is." >&2
    exit 2
fi

sum=$("$python" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest()[:16])' \
    pyproject.toml requirements.txt requirements-dev.txt)
stamp=.venv/.ready-$sum
[ -f "$stamp" ] && exit 0

echo "Setting up .venv with $("$python" --version), once; this may take a minute or two." >&2
rm -rf .venv
if ! "$python" -m venv .venv; then
    rm -rf .venv
    echo "$python could not make a virtual environment. On Debian: apt-get install python3-venv." >&2
    exit 2
fi
pip=".venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --require-hashes --no-deps -r requirements-dev.txt
$pip install --no-build-isolation --no-deps -e .
: > "$stamp"
