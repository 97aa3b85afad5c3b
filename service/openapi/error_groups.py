"""Groups of errors for endpoint declarations: stores, forms, uploads, tasks, signed links."""

from __future__ import annotations

from models import errors

Errors = tuple[type[errors.AppError], ...]

LINK_ERRORS: Errors = (errors.Forbidden, errors.LinkExpired)
"""Of routes that a signed link opens."""
STORE_ERRORS: Errors = (errors.StoreUnavailable,)
"""Of routes that use MongoDB or Redis."""
FORM_ERRORS: Errors = (
    errors.BadRequest,
    errors.BadParameter,
    errors.TooLarge,
    errors.UploadTooSlow,
)
"""Of routes that read a form."""
UPLOAD_ERRORS: Errors = (
    *FORM_ERRORS,
    errors.BadCallbackUrl,
    errors.BadImageUrl,
    errors.UnsupportedFormat,
    errors.BadImage,
    errors.TooManyPixels,
    errors.TooMuchMemory,
    errors.TooMuchWork,
    errors.QueueFull,
    errors.RateLimited,
    errors.InsufficientResources,
    *STORE_ERRORS,
)
"""Of routes that accept images."""
TASK_ERRORS: Errors = (
    errors.BadImage,
    errors.BadParameter,
    errors.TooManyPixels,
    errors.TooMuchMemory,
    errors.TooMuchWork,
    errors.TaskCancelled,
    errors.BadOutput,
    errors.TaskTimeout,
    errors.WorkerCrashed,
    errors.WeightsMissing,
    errors.WeightsUnusable,
    errors.NoCapableWorker,
    errors.InternalError,
    errors.ResultGone,
)
"""Of a failed task, when the request asked for the image itself instead of the task."""
