"""``make mutations``: break one condition at a time in a copy; the tests must notice each.

It prints the mutations that no test noticed, and exits with 1 if there are any.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

LEASE = "models/store/mongo/lease.py"
LEASES = "models/store/tasks/leases.py"
ROUTES = "service/routes.py"
KEY = "models/auth/api_key.py"
LINKS = "models/auth/signed_links.py"
AUTHENTICATOR = "service/auth/authenticator.py"
ADMISSION = "service/submissions/admission.py"
SPOOL = "service/uploads/spool.py"
SANITY = "workers/upscaler/sanity.py"
FILES_BELOW = "models/files_below.py"
FILES = "standalone/mcp_server/files.py"
CLIENT = "client/darkroom/client"

LEASE_TESTS = (
    "models/store/test_lease.py",
    "models/store/test_leases.py",
    "workers/background/test_sweep.py",
)
AUTH_TESTS = ("service/auth",)
ADMISSION_TESTS = (
    "service/submissions/test_admission.py",
    "service/submissions/test_result_room.py",
)
UPLOAD_TESTS = ("service/uploads",)
SANITY_TESTS = ("workers/upscaler/test_sanity.py",)
FILE_TESTS = ("standalone/mcp_server/test_files.py",)


@dataclass(frozen=True)
class Mutation:
    """In ``file``, ``old`` becomes ``new``; ``tests`` are expected to notice."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = [
    Mutation(LEASES, '{"$lt": max_attempts}', '{"$lte": max_attempts}', LEASE_TESTS),
    Mutation(LEASE, '{"$lte": [', '{"$gte": [', LEASE_TESTS),
    Mutation(LEASE, ", self._holder: token}", "}", LEASE_TESTS),
    Mutation(LEASES, "0 if charge else 1", "1 if charge else 0", LEASE_TESTS),
    Mutation(LEASES, ', "lease.worker": worker}', "}", LEASE_TESTS),
    Mutation(LEASES, "now_plus(-seconds)]}}", "now_plus(seconds)]}}", LEASE_TESTS),
    Mutation(LEASES, '{"$gte": max_attempts}', '{"$gt": max_attempts}', LEASE_TESTS),
    Mutation(
        ROUTES,
        '(Permission.ADMIN, web.post("/items/"',
        '(Permission.SUBMIT, web.post("/items/"',
        AUTH_TESTS,
    ),
    Mutation(
        ROUTES,
        '(Permission.SUBMIT, web.delete("/processed/{name}"',
        '(Permission.READ, web.delete("/processed/{name}"',
        AUTH_TESTS,
    ),
    Mutation(KEY, "self.revoked_at is None and", "True and", AUTH_TESTS),
    Mutation(KEY, "or self.seen_at < self.expires_at", "or True", AUTH_TESTS),
    Mutation(KEY, "or Scope.ADMIN in self.scopes", "or Scope.READ in self.scopes", AUTH_TESTS),
    Mutation(AUTHENTICATOR, " or key.generation != session[1]", "", AUTH_TESTS),
    Mutation(
        AUTHENTICATOR,
        "key.active and key.generation == identity.key.generation",
        "key.active",
        AUTH_TESTS,
    ),
    Mutation(LINKS, "if tokens.clock() >= self.expires + SKEW_SECONDS:", "if False:", AUTH_TESTS),
    Mutation(LINKS, "self.download, generation)", "False, generation)", AUTH_TESTS),
    Mutation(
        "service/auth/middleware.py",
        "settings.auth.allow_anonymous and scope is not Scope.ADMIN",
        "settings.auth.allow_anonymous",
        AUTH_TESTS,
    ),
    Mutation("models/auth/visibility.py", '{"$in": ["", None]}', '{"$ne": 0}', AUTH_TESTS),
    Mutation(ADMISSION, "measured >= limit:", "measured > limit:", ADMISSION_TESTS),
    Mutation(ADMISSION, "own.turns + pending, client", "own.turns, client", ADMISSION_TESTS),
    Mutation(ADMISSION, "shares) + pending_bytes", "shares)", ADMISSION_TESTS),
    Mutation(
        ADMISSION,
        "check(own_bytes, others, _ROOM_SHARE)",
        "check(own_bytes, 0, _ROOM_SHARE)",
        ADMISSION_TESTS,
    ),
    Mutation(SPOOL, "self._reserve_bytes(-self._size)", "self._reserve_bytes(0)", UPLOAD_TESTS),
    Mutation(
        "service/uploads/disk_space.py",
        "total > self._max_bytes",
        "total > 2 * self._max_bytes",
        UPLOAD_TESTS,
    ),
    Mutation("service/uploads/disk_space.py", "own > share", "own > 2 * share", UPLOAD_TESTS),
    Mutation(
        "service/http/request_body.py",
        "min(self._patience + earned, self._settings.upload_stall_timeout)",
        "self._patience + earned",
        UPLOAD_TESTS,
    ),
    Mutation(
        "models/redis/rate_limiter.py",
        "len(hits) < item.amount",
        "len(hits) <= item.amount",
        ("models/redis/test_rate_limiter.py",),
    ),
    Mutation(
        "models/redis/rate_limiter.py",
        "hit and (count or remaining > 0)",
        "hit",
        ("models/redis/test_rate_limiter.py",),
    ),
    Mutation(
        "models/slots.py",
        "own + amount > self._per_client[1]",
        "own > self._per_client[1]",
        ("models/test_slots.py",),
    ),
    Mutation(SANITY, "after.min() == after.max()", "False", SANITY_TESTS),
    Mutation(SANITY, "psnr < limits.min_psnr_db", "psnr < 0", SANITY_TESTS),
    Mutation(SANITY, "block > limits.max_block_shift", "False", SANITY_TESTS),
    Mutation(SANITY, "light < _MIN_LIGHT_SHARE", "False", SANITY_TESTS),
    Mutation(
        SANITY,
        "max(block, float(np.abs(shift).max())), min(light, kept)",
        "float(np.abs(shift).max()), kept",
        SANITY_TESTS,
    ),
    Mutation(SANITY, "float(kept.min())", "float(kept.max())", SANITY_TESTS),
    Mutation(FILES_BELOW, "os.O_RDONLY | os.O_NOFOLLOW", "os.O_RDONLY", FILE_TESTS),
    Mutation(FILES_BELOW, "os.O_DIRECTORY | os.O_NOFOLLOW", "os.O_DIRECTORY", FILE_TESTS),
    Mutation(FILES, '".." in path.parts', "False", FILE_TESTS),
    Mutation(FILES, "size > max_bytes", "False", FILE_TESTS),
    Mutation(FILES, "== other.read(_BLOCK_BYTES)", "is not None", FILE_TESTS),
    Mutation(
        f"{CLIENT}/webhooks.py", "abs(age) > max_age", "age > max_age", ("client/test_webhooks.py",)
    ),
    Mutation(f"{CLIENT}/webhooks.py", "not any(fits)", "not fits", ("client/test_webhooks.py",)),
    Mutation(f"{CLIENT}/retries.py", "paused + pause", "pause", ("client/test_retries.py",)),
    Mutation(f"{CLIENT}/retries.py", "not call.repeatable:", "False:", ("client/test_retries.py",)),
    Mutation(
        f"{CLIENT}/downloads.py",
        'getattr(os, "O_NOFOLLOW", 0)',
        "0",
        ("client/test_downloads.py",),
    ),
    Mutation(
        f"{CLIENT}/downloads.py",
        "if self.size > self._result.bytes:",
        "if False:",
        ("client/test_downloads.py",),
    ),
    Mutation(
        f"{CLIENT}/transport.py",
        ' or call.path.startswith("//")',
        "",
        ("client/test_clients.py",),
    ),
]


def is_noticed(mutation: Mutation, tree: Path) -> bool:
    """Run the tests of the mutation in ``tree``; return whether one failed.

    Raises:
        ValueError: the condition does not occur exactly once.
    """
    path = tree / mutation.file
    before = path.read_text()
    if before.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file} has {mutation.old!r} {before.count(mutation.old)} times")
    path.write_text(before.replace(mutation.old, mutation.new))
    try:
        tests = [f"tests/{name}" for name in mutation.tests]
        # A mutation may make a test wait for ever: that is noticed, too.
        command = [".venv/bin/python", "-m", "pytest", "-q", "-x", "--timeout=60", *tests]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        if done.returncode not in {0, 1}:  # not a test that failed
            raise ValueError(f"{mutation}: pytest ended with {done.returncode}:\n{done.stdout}")
        return done.returncode == 1
    finally:
        path.write_text(before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutations", description=__doc__)
    parser.add_argument("--only", default="", help="mutations of files whose path contains this")
    only = parser.parse_args().only
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        skipped = shutil.ignore_patterns(
            ".git", ".venv", "data", "artefacts", "__pycache__", ".*_cache"
        )
        shutil.copytree(ROOT, tree, ignore=skipped, symlinks=True)
        (tree / ".venv").symlink_to(ROOT / ".venv")
        for mutation in MUTATIONS:
            if only in mutation.file:
                noticed = is_noticed(mutation, tree)
                unnoticed += [] if noticed else [mutation]
                mark = "noticed " if noticed else "SURVIVED"
                print(f"{mark} {mutation.file}: {mutation.old} -> {mutation.new}", flush=True)
    print(f"{len(unnoticed)} survived")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
