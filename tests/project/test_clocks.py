"""Nothing compares times of this machine with times of another: ages go by MongoDB's clock."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

_OWN_CLOCK = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(|= time\.time\b|ObjectId\(\)")
_ALLOWED = {
    "models/auth/api_key.py": "a key that was not read from MongoDB",
    "models/auth/tokens.py": "the default where no MongoDB is: tests",
    "models/metrics/instruments.py": "start of this process, in its own metrics",
    "models/redis/rate_limiter.py": "limits while Redis is away, and seconds until their reset",
    "models/store/files/gridfs.py": "the random part of an id",
    "models/store/mongo/clock.py": "until MongoDB was asked",
    "models/store/tasks/fair_queue.py": "the difference of the two clocks",
    "models/tasks/queue_position.py": "with that difference",
    "service/handlers/processed.py": "a result without an end, which does not exist",
    "workers/mail/message.py": "the Date of an e-mail, which says when its sender wrote it",
    "workers/watching/folder_scan.py": "the age of a file, in a folder of this machine",
    "workers/webhooks/client.py": "until the time that a receiver's Retry-After names",
}


def test_the_own_clock_is_read_only_where_it_decides_nothing() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in ("models", "service", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if _OWN_CLOCK.search(path.read_text())
    }
    assert found == set(_ALLOWED), "use store.clock or store.health.now(), or say why not"
