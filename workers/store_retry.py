"""How long work in a worker's hands waits for a store that is away."""

from __future__ import annotations

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from models.errors import StoreUnavailable

_PATIENCE = 600  # seconds until the work is left to whoever takes it up next

# Trouble with a store is waited out: it is nobody's fault and must cost neither work nor attempts.
patient = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=10),
    stop=stop_after_delay(_PATIENCE),
    reraise=True,
)
