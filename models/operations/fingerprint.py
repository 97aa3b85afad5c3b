"""The fingerprint of a task: a hash of all that its result's bytes depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from models.images.encoder_settings import DEFAULT, EncoderSettings
from models.images.inspect import OutputFormat
from models.images.metadata import MetadataChoice
from models.networks.catalogue import Weights
from models.operations.spec import Operation

PIPELINE_VERSION = 6
"""Raised when the same request gives other bytes than before: old results are then not reused."""


def fingerprint(
    sha256: str,
    operations: Sequence[Operation],
    output: OutputFormat,
    weights: Sequence[Weights],
    writing: EncoderSettings = DEFAULT,
    report: bool = False,
    owner: str = "",
    metadata: MetadataChoice = "none",
    precision: str = "auto",
) -> str:
    """Return 64 hex digits that are equal exactly when two requests ask for the same bytes.

    ``sha256`` is the original's. ``owner`` is part of it so that an owner cannot learn that another
    one has the same image. ``report`` is part of it because quality is measured while computing.
    ``precision`` is that of networks; with auto, bytes differ between kinds of processors.
    """
    asked = {
        "original": sha256,
        "operations": [operation.document() for operation in operations],
        "format": output,
        "encoder": writing.fingerprint_parts(output),
        "weights": [w.sha256 for w in weights],
        "version": PIPELINE_VERSION,
        **({"report": True} if report else {}),
        **({"owner": owner} if owner else {}),
        **({"metadata": metadata} if metadata != "none" else {}),
        **({"precision": precision} if weights and precision != "auto" else {}),
    }
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
