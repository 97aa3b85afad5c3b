"""Train the bundled networks: from a folder of pictures to ``weights/*.pb``.

Needs ``training/requirements.txt`` and torch; the service and the workers do not import it.
"""
