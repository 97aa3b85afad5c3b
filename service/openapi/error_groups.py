"""Groups of errors for endpoint declarations: stores, forms, uploads, tasks, signed links."""

from __future__ import annotations

from models.errors import (
    AppError,
    BadCallbackUrl,
    BadImage,
    BadOutput,
    BadParameter,
    BadRequest,
    Forbidden,
    InsufficientResources,
    InternalError,
    LinkExpired,
    QueueFull,
    RateLimited,
    ResultGone,
    StoreUnavailable,
    TaskCancelled,
    TaskTimeout,
    TooLarge,
    TooManyPixels,
    TooMuchMemory,
    UnsupportedFormat,
    UploadTooSlow,
    WeightsMissing,
    WeightsUnusable,
    WorkerCrashed,
)

Errors = tuple[type[AppError], ...]

LINK_ERRORS: Errors = (Forbidden, LinkExpired)
"""Of routes that a signed link opens."""
STORE_ERRORS: Errors = (StoreUnavailable,)
"""Of routes that use MongoDB or Redis."""
FORM_ERRORS: Errors = (BadRequest, BadParameter, TooLarge, UploadTooSlow)
"""Of routes that read a form."""
UPLOAD_ERRORS: Errors = (
    *FORM_ERRORS,
    BadCallbackUrl,
    UnsupportedFormat,
    BadImage,
    TooManyPixels,
    TooMuchMemory,
    QueueFull,
    RateLimited,
    InsufficientResources,
    *STORE_ERRORS,
)
"""Of routes that accept images."""
TASK_ERRORS: Errors = (
    BadImage,
    BadParameter,
    TooManyPixels,
    TooMuchMemory,
    TaskCancelled,
    BadOutput,
    TaskTimeout,
    WorkerCrashed,
    WeightsMissing,
    WeightsUnusable,
    InternalError,
    ResultGone,
)
"""Of a failed task, when the request asked for the image itself instead of the task."""
