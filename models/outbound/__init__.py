"""Calls of URLs that clients name: webhooks, and pictures by URL; hardened against SSRF."""
