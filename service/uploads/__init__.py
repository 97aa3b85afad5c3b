"""Receiving uploads: multipart parser, spool file, validation."""
