"""Darkroom, a self-hosted image service, as its users import it: ``darkroom.client``."""
