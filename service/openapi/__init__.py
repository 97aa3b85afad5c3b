"""The OpenAPI document, built from endpoint declarations, operation specs, errors and settings.

``endpoint`` holds the decorator for handlers, ``document`` builds the document.
"""
