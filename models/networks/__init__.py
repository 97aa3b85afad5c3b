"""Super-resolution networks: the catalogue, users' manifests and the files' hashes."""
