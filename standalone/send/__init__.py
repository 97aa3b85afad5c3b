"""``darkroom send``: pictures go to a Darkroom, results come back, also after an interruption."""
