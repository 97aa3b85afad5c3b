"""A watched folder: pictures that are put into it are processed into another, without servers."""
