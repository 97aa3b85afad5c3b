"""What the service and the workers both speak: settings, errors, specs, documents, stores.

Imports neither side, nor aiohttp, nor cv2.
"""

VERSION = "0.1.0"
"""Of all programs and of the API; a test holds it against pyproject.toml."""
