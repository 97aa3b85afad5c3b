"""What a file's bytes say about a picture: container formats, headers, limits, EXIF, encoder settings."""
