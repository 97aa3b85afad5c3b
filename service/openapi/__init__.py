"""The OpenAPI document: made of what handlers declare beside themselves, specs, errors, settings.

``call`` is what a handler declares, ``document`` puts all of it together.
"""
