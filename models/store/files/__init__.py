"""GridFS buckets, result names, retention, orphan collection, consistency check and repair."""
