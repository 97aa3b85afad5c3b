"""GridFS: originals, results, retention, consistency and repair."""
