"""``python -m workers.cli.fetch_weights`` (``make weights``): fetch OpenCV's published networks.

Each file is taken from where its author published it, checked by size and SHA-256, and only then
given its name. What is there already is left alone; an interrupted download goes on where it ended.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import BadSettings
from models.networks.catalogue import Weights, hash_file, published_networks
from models.settings import Settings
from workers.cli.progress_bar import ProgressBar

_CHUNK_BYTES = 64 * 1024
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class DownloadError(Exception):
    """A file could not be downloaded; the text says why."""


@dataclass(frozen=True)
class DownloadPolicy:
    """Timeout of one silence in seconds, number of attempts, first pause in seconds."""

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
    target = folder / weights.file
    if target.exists():
        if hash_file(target) == weights.sha256:
            return False
        raise DownloadError("another file of that name is there; move it away to fetch this one")
    part = target.with_name(target.name + ".part")
    for attempt in range(policy.max_attempts):
        try:
            _download(weights, part, progress, policy.timeout_seconds)
            break
        except urllib.error.HTTPError as error:
            error.close()
            reason, hopeless = f"the server answers {error.code} {error.reason}", error.code < 500
        except urllib.error.URLError as error:
            reason, hopeless = f"{error.reason}", False
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason, hopeless = f"the connection broke: {error or type(error).__name__}", False
        if hopeless or attempt == policy.max_attempts - 1:
            raise DownloadError(f"{reason} ({weights.url})")
        time.sleep(policy.pause_seconds * 2**attempt)
    found = hash_file(part)
    if found != weights.sha256:
        part.unlink()
        raise DownloadError(
            f"what came from {weights.url} is another file (SHA-256 {found}, not "
            f"{weights.sha256}); it was not kept"
        )
    part.replace(target)
    return True


def _download(
    weights: Weights, part: Path, progress: Callable[[float], None], timeout: float
) -> None:
    """Complete ``part``, which may hold the start from an earlier download."""
    have = part.stat().st_size if part.exists() else 0
    if have == weights.bytes:
        return
    with _open(weights.url, have if have < weights.bytes else 0, timeout) as answer:
        said = str(answer.headers.get("Content-Range", ""))
        going_on = answer.status == _PARTIAL_CONTENT and said.startswith(f"bytes {have}-")
        have = have if going_on else 0
        with part.open("ab" if going_on else "wb") as file:
            while have <= weights.bytes and (data := answer.read(_CHUNK_BYTES)):
                have += len(data)
                file.write(data)
                progress(have / weights.bytes)
    if have > weights.bytes:
        part.unlink()
        raise DownloadError(f"{weights.url} is longer than {weights.bytes} bytes; it was not kept")
    if have < weights.bytes:
        raise http.client.IncompleteRead(b"", weights.bytes - have)


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    """Request ``url`` from byte ``start`` on; a server may return all of it."""
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url} is no http address")
    request = urllib.request.Request(url)  # noqa: S310 -- checked above
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 -- as above
            request, timeout=timeout
        )
    except urllib.error.HTTPError as error:
        if not start or error.code != _RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        return _open(url, 0, timeout)
    return answer


def main(arguments: list[str] | None = None, policy: DownloadPolicy = DownloadPolicy()) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m workers.cli.fetch_weights", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="e.g. FSRCNN; default: all")
    parser.add_argument(
        "--mirror", metavar="URL", help="take the files from URL/NAME.pb instead of their authors'"
    )
    given = parser.parse_args(arguments)
    known = [weights for weights in published_networks() if weights.url]
    unknown = set(given.names) - {weights.name for weights in known}
    if unknown:
        names = ", ".join(dict.fromkeys(weights.name for weights in known))
        print(f"darkroom: {', '.join(sorted(unknown))}: known are {names}", file=sys.stderr)
        return 2
    try:
        folder = Settings.load().networks_dir
    except BadSettings as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    wanted = [weights for weights in known if not given.names or weights.name in given.names]
    if given.mirror:
        base = given.mirror.rstrip("/")
        wanted = [replace(weights, url=f"{base}/{weights.file}") for weights in wanted]
    try:
        with ProgressBar(sys.stderr) as bar:
            return _fetch_all(wanted, folder, bar, policy)
    except KeyboardInterrupt:
        return 130


def _fetch_all(wanted: list[Weights], folder: Path, bar: ProgressBar, policy: DownloadPolicy) -> int:
    fetched, there, failed = 0, 0, 0
    for weights in wanted:
        bar.start(weights.file)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if fetch(weights, folder, bar.update, policy):
                fetched += 1
            else:
                there += 1
        except DownloadError as error:
            failed += 1
            bar.print_line(f"darkroom: {weights.file}: {error}")
        except OSError as error:  # disk full, no permission: it would be so for every file
            bar.print_line(f"darkroom: {error.filename or folder}: {error.strerror or error}")
            return 1
    bar.clear()
    print(f"{fetched} fetched, {there} there already, {failed} failed; in {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
