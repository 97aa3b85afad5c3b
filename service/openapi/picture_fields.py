"""JSON Schemas of the fields of an upload form that bring pictures."""

from __future__ import annotations

from collections.abc import Sequence

from models.images.inspect import InputFormat, names_of
from models.operations import watermark_picture
from models.operations.watermark import FIELD
from models.outbound.url import MAX_URL_CHARACTERS
from models.settings.uploads import UploadSettings
from service.openapi.endpoint import Schema
from service.openapi.limits import format_bytes

WATERMARK_FIELD = {
    "type": "string",
    "format": "binary",
    "contentMediaType": "application/octet-stream",
    "description": "The picture of a watermark: a PNG or JPEG file of at most "
    f"{format_bytes(watermark_picture.MAX_BYTES)} and {watermark_picture.MAX_PIXELS:,} pixels, its "
    "alpha counts. Among operations it is laid over the picture by "
    f'{{"op": "watermark", "picture": "{FIELD}"}}.',
}


def image_field(settings: UploadSettings, kinds: Sequence[InputFormat]) -> Schema:
    """Return the schema of a picture file in one of the formats ``kinds``."""
    return {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "description": f"A {names_of(kinds)} file, recognized by its "
        f"content; at most {format_bytes(settings.max_upload_bytes)} (MAX_UPLOAD_BYTES) and "
        f"{settings.max_pixels:,} pixels (MAX_PIXELS).",
    }


def picture_fields(settings: UploadSettings) -> dict[str, Schema]:
    """Return the schemas of the fields that bring the pictures of a submission."""
    url = {"type": "string", "format": "uri"}  # a bad one fails alone, so that it has no limit here
    urls = {
        "type": "array",
        "items": url,
        "minItems": 1,
        "maxItems": settings.max_batch,
        "description": "Public http or https URLs of pictures, of at most "
        f"{MAX_URL_CHARACTERS} characters, which the service fetches if FETCH_URLS allows it "
        "(docs/pictures.md); beside image, or in place of it.",
    }
    return {"image": _images_field(settings), "image_url": urls}


def _images_field(settings: UploadSettings) -> Schema:
    one = image_field(settings, settings.accepted_formats)
    return {
        "type": "array",
        "items": {key: value for key, value in one.items() if key != "description"},
        "minItems": 1,
        "maxItems": settings.max_batch,
        "description": f"One or more. {one['description']} Together at most "
        f"{format_bytes(settings.max_batch_bytes)} (MAX_BATCH_BYTES). The field may also be called "
        "images, images[], file or files.",
    }
