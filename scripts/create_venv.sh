#!/bin/sh
# Create the virtual environment with the first Python of version 3.11 or newer that has venv.
# usage: create_venv.sh PYTHON FOLDER
set -eu
python=$1
folder=$2
if [ -x "$folder/bin/pip" ]; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "multipl-moe needs Python 3.11 or newer; $python is $("$python" --version 2>&1)" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "multipl-moe needs Python's venv module (Debian: apt install python3-venv)" >&2
        exit 1
    fi
fi
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --upgrade pip
