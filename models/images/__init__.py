"""Image files: container formats, headers, limits, EXIF and encoder settings."""
