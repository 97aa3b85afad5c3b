"""Notes for users: what the result lost or how it changed."""

from __future__ import annotations

CICP_UNKNOWN = "the file's cICP chunk names colours that are not known here: it was ignored"
EMBEDDED_PREVIEW = "the embedded preview (thumbnail) was dropped"
FIRST_FRAME = "only the first frame of the animation was used"
FROM_CMYK = "CMYK colours were converted to sRGB"
FURTHER_PICTURES = "the file holds {} pictures (MPO): only the first was used"
GAIN_MAP = "the gain map for high dynamic range was dropped: the result is the picture without it"
GAMMA = "the file's gamma was applied: the result is sRGB"
GRAY_PROFILE = "the gray colour profile was applied: {} has no gray, so the result is sRGB"
HDR = (
    "high dynamic range (HDR, {}) was converted to sRGB (SDR): 203 cd/m2 is near white, 1000 cd/m2 "
    "is white, as docs/pictures.md says"
)
METADATA = "metadata was dropped: {}"
METADATA_KEPT_BY = "metadata was dropped: {} (metadata=safe or metadata=all keeps more)"
METADATA_BUT_SAFE = "metadata other than author, copyright and capture date was dropped: {}"
METADATA_UNFIT = "metadata that is broken, or that a result cannot carry, was dropped: {}"
NARROW_RANGE = "samples of the narrow (video) range were widened to the full range"
ON_WHITE = "transparent areas were placed on white"
PRIMARIES_ALONE = "the file names primaries (cHRM) without a gamma: they were ignored"
PRIMARIES_BROKEN = "the file names primaries (cHRM) that no colours can have: they were ignored"
PROFILE_BROKEN = "the colour profile was dropped: it is broken, cut short or for other uses"
PROFILE_MISFIT = (
    "the colour profile was dropped: it is for another kind of samples (such as RGB in gray)"
)
PROFILE_OVERRULED = "the colour profile was dropped: the file's cICP chunk comes before it"
QUALITY_FOUND = "quality {} is the highest that fits into {} bytes (max_bytes)"
REDUCED_FOR_FORMAT = "16-bit samples were reduced to 8 bits: the result format stores no more"
REDUCED_FOR_NETWORK = "16-bit samples were reduced to 8 bits: networks work in 8 bits"
REDUCED_FOR_PROFILE = "16-bit samples were reduced to 8 bits: colour profiles are applied in 8 bits"
RESOLUTION_IN_EXIF = "the print resolution, {}, is written as EXIF: {} has no other place for it"
RESOLUTION_LOST = "the print resolution, {}, was dropped: {} cannot hold it"
TEXT_TOO_LONG = "an author or copyright longer than {} bytes was dropped"
UNHELD_METADATA = "{} metadata was dropped: {} has no place for it"
VIDEO = "the video behind the picture was dropped"
WATERMARK_SMALL = "the watermark's letters are {} pixels high: too small to read"
