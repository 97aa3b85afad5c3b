"""Errors that come together: what may go wrong with a store, a form, a picture, a task."""

from __future__ import annotations

from models.errors import (
    AppError,
    BadCallback,
    BadImage,
    BadOutput,
    BadParameter,
    BadRequest,
    Cancelled,
    Forbidden,
    Internal,
    LinkExpired,
    NoRoom,
    QueueFull,
    RateLimited,
    ResultGone,
    StoreUnavailable,
    TaskTimeout,
    TooLarge,
    TooManyPixels,
    TooMuchMemory,
    TooSlow,
    UnsupportedFormat,
    WeightsMissing,
    WeightsUnusable,
    WorkerCrashed,
)

Errors = tuple[type[AppError], ...]

LINKED: Errors = (Forbidden, LinkExpired)
"""Of what a signed link opens."""
STORED: Errors = (StoreUnavailable,)
"""Of whatever asks a store."""
FORM: Errors = (BadRequest, BadParameter, TooLarge, TooSlow)
"""Of a body that is read."""
PICTURES: Errors = (
    *FORM,
    BadCallback,
    UnsupportedFormat,
    BadImage,
    TooManyPixels,
    TooMuchMemory,
    QueueFull,
    RateLimited,
    NoRoom,
    *STORED,
)
"""Of a submission."""
WORK: Errors = (
    BadImage,
    BadParameter,
    TooManyPixels,
    TooMuchMemory,
    Cancelled,
    BadOutput,
    TaskTimeout,
    WorkerCrashed,
    WeightsMissing,
    WeightsUnusable,
    Internal,
    ResultGone,
)
"""Of a task whose end is answered as an error, to those who asked for the picture itself."""
