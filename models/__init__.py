"""What the service and the workers share: settings, errors, specs, documents, stores.

It imports neither of them, nor aiohttp, nor cv2.
"""

VERSION = "0.2.0"
"""Version of all programs and of the API; a test compares it with pyproject.toml."""
