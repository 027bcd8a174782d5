"""A page in grey in, the same turned, evened or cleared of dust, out; pure but for Pillow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

DPI = 200
_TURNS = {  # degrees clockwise → what Pillow calls it, which counts the other way round
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
_CELL = 16  # pixels: two letters wide
_SHADOW = 40  # of 255, between the brightest and the darkest paper
_BLANK = 24  # of 255; less contrast is nothing drawn


@dataclass(frozen=True, slots=True)
class Picture:
    """A page in grey, one byte per pixel, rows from the top."""

    width: int
    height: int
    pixels: bytes
    dpi: int = DPI

    def is_blank(self) -> bool:
        """Tell whether nothing at all is drawn on it."""
        return max(self.pixels, default=0) - min(self.pixels, default=0) < _BLANK

    def turned(self, degrees: int) -> Picture:
        """Turn it clockwise by a quarter, a half or three quarters of a circle."""
        turn = _TURNS.get(degrees)
        return self if turn is None else self._with(self._image().transpose(turn))

    def dusted(self) -> Picture:
        """Take away specks of a pixel or two, which a scanner's noise makes of clean paper."""
        return self._with(self._image().filter(ImageFilter.MedianFilter(3)))

    def evened(self) -> Picture:
        """Take shadows away: divide by the paper's brightness; itself where that is even."""
        image = self._image()
        size = (max(self.width // _CELL, 1), max(self.height // _CELL, 1))
        ground = image.resize(size, Image.Resampling.BOX).filter(ImageFilter.MaxFilter(5))
        ground = ground.filter(ImageFilter.GaussianBlur(2))
        darkest, brightest = ground.getextrema()
        if not isinstance(darkest, int) or brightest - darkest < _SHADOW:
            return self
        paper = np.asarray(ground.resize(image.size, Image.Resampling.BICUBIC), dtype=np.uint16)
        even = np.asarray(image, dtype=np.uint16) * 255 // np.maximum(paper, 1)
        return replace(self, pixels=np.minimum(even, 255).astype(np.uint8).tobytes())

    def _image(self) -> Image.Image:
        return Image.frombytes("L", (self.width, self.height), self.pixels)

    def _with(self, image: Image.Image) -> Picture:
        return replace(self, width=image.width, height=image.height, pixels=image.tobytes())
