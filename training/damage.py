"""Damage pictures as cameras, messengers and web sites do: blur, shrinking, noise, JPEG, twice."""

from __future__ import annotations

import cv2
import numpy as np

from training.colour_patches import Picture, jpeg

_PLAIN_SHARE = 0.15  # only shrunk: the network must leave clean pictures clean
_BLURRED_SHARE, _NOISY_SHARE, _JPEG_SHARE, _SECOND_JPEG_SHARE = 0.6, 0.6, 0.85, 0.3
_GRAY_NOISE_SHARE, _HALF_COLOUR_SHARE, _RESIZED_SHARE = 0.4, 0.6, 0.5
_NOISE_LEVELS = (0.5, 10.0)  # sigma
_FIRST_QUALITIES, _SECOND_QUALITIES = (30, 96), (40, 96)
_SHRINKING = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)
_SAMPLINGS = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420)


def damage(picture: Picture, factor: float, rng: np.random.Generator) -> Picture:
    """Return ``picture`` (h, w, 3), shrunk by ``factor`` (1 or more) and damaged at random."""
    plain = rng.random() < _PLAIN_SHARE
    if not plain and rng.random() < _BLURRED_SHARE:
        picture = _uint8(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.2, 1.2) * factor / 2))
    picture = _resized(picture, 1 / factor, rng)
    if plain:
        return picture
    if rng.random() < _NOISY_SHARE:
        shape = (*picture.shape[:2], 1 if rng.random() < _GRAY_NOISE_SHARE else 3)
        noise = rng.normal(0, rng.uniform(*_NOISE_LEVELS), shape)
        picture = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    if rng.random() < _JPEG_SHARE:
        picture = _compressed(picture, _FIRST_QUALITIES, rng)
    if rng.random() < _SECOND_JPEG_SHARE:
        if rng.random() < _RESIZED_SHARE:
            picture = _resized(picture, rng.uniform(0.75, 1.2), rng)
        picture = _compressed(picture, _SECOND_QUALITIES, rng)
    return picture


def _resized(picture: Picture, factor: float, rng: np.random.Generator) -> Picture:
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return _uint8(cv2.resize(picture, size, interpolation=int(rng.choice(_SHRINKING))))


def _compressed(picture: Picture, qualities: tuple[int, int], rng: np.random.Generator) -> Picture:
    sampling = _SAMPLINGS[int(rng.random() < _HALF_COLOUR_SHARE)]
    return jpeg(picture, int(rng.integers(*qualities, endpoint=True)), sampling)


def _uint8(picture: object) -> Picture:
    return np.ascontiguousarray(picture, np.uint8)
