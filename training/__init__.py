"""How the bundled networks were made: from a folder of pictures to ``weights/*.pb``.

Needs what ``training/requirements.txt`` names (torch); nothing of the running service imports it.
"""
