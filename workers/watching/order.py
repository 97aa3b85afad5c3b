"""What a watcher does with each picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import Operation
from models.operations.fingerprint import PIPELINE_VERSION
from models.settings import Settings


@dataclass(frozen=True)
class Order:
    """What is done with each picture of ``source``; see ``ParsedCommand`` for the rest.

    ``results``, ``failed``: folders of results and of what failed.
    """

    source: Path
    results: Path
    failed: Path
    operations: Sequence[Operation]
    format: OutputFormat | None
    metadata: MetadataChoice

    def asked(self, settings: Settings, catalogue: Catalogue) -> str:
        """Return a hash of all that results depend on beside their pictures."""
        said = [
            PIPELINE_VERSION,
            [each.document() for each in self.operations],
            [weights.sha256 for each in self.operations for weights in each.weights(catalogue)],
            self.format,
            self.metadata,
            settings.encoding.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()
