"""The spec of blur: a Gaussian, by the size of its kernel or by its sigma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from models.operations.spec import Operation

MAX_KERNEL_PIXELS = 255  # odd; 12 megapixels take two seconds on one core
MAX_SIGMA_PIXELS = 40.0  # three of them each way are a kernel of 241


class Blur(Operation):
    """Blur a picture with a Gaussian; transparent edges get no dark fringe."""

    op: ClassVar[str] = "blur"
    mixes_neighbours: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "kernel"
    example: ClassVar[Mapping[str, str]] = {"kernel": "25"}

    kernel: int = Field(
        0,
        ge=0,
        le=MAX_KERNEL_PIXELS,
        description="Side of the kernel in pixels, an odd number; 0: as large as sigma needs.",
    )
    sigma: float = Field(
        5.0,
        ge=0,
        le=MAX_SIGMA_PIXELS,
        allow_inf_nan=False,
        description="Standard deviation in pixels; 0, and its default where a kernel is given: "
        "as the kernel needs.",
    )

    @model_validator(mode="before")
    @classmethod
    def _kernel_alone(cls, given: Any) -> Any:
        if isinstance(given, dict) and "kernel" in given and "sigma" not in given:
            return {**given, "sigma": 0}
        return given

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel and kernel % 2 == 0:
            raise ValueError(f"a kernel needs an odd side; {kernel - 1} or {kernel + 1} would pass")
        return kernel

    @model_validator(mode="after")
    def _something(self) -> Blur:
        if not self.kernel and not self.sigma:
            raise ValueError(
                "kernel and sigma are both 0, so neither follows from the other; give an odd "
                f"kernel up to {MAX_KERNEL_PIXELS} or a sigma up to {MAX_SIGMA_PIXELS:g}"
            )
        return self

    def label(self) -> str:
        kernel = f"-k{self.kernel}" if self.kernel else ""
        sigma = f"-s{self.sigma:g}" if self.sigma else ""
        return f"blur{kernel}{sigma}"

    def cost(self) -> float:
        return 1.0 + (self.kernel or 6 * self.sigma) / 9  # a row and a column for each pixel
