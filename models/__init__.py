"""What the service and the workers both speak: settings, errors, specs, documents, stores.

Imports neither side, nor aiohttp, nor cv2.
"""
