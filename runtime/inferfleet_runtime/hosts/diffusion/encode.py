"""Pictures and frames as files. For the engine's process: imports PIL and PyAV."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from PIL.Image import Image

_X264: Mapping[str, str] = MappingProxyType(
    {
        "crf": "20",  # quality, less is better: 18 to 23 is what encoders recommend for what is looked at
        "preset": "veryfast",
        # with it the same frames become other bytes in one of three runs (x264 of PyAV 18.1, 100 runs)
        "x264-params": "mbtree=0",
    }
)
_CLOCK = 1000
"""Denominator of the frame rate."""


def picture(image: Image, fmt: str, compression: int | None) -> bytes:
    """A PNG, JPEG or WebP without any metadata: the prompt does not travel with the picture."""
    file = io.BytesIO()
    quality: dict[str, Any] = {} if compression is None else {"quality": compression}
    image.convert("RGB").save(file, fmt.upper(), **quality)
    return file.getvalue()


def video(frames: Sequence[Image], fps: float, threads: int) -> bytes:
    """An MP4 with H.264 that browsers play while it loads. Writes a temporary file: its index is moved to the front."""
    rate = Fraction(round(fps * _CLOCK), _CLOCK)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=rate, options=dict(_X264))
            stream.width, stream.height = frames[0].size
            # a quarter of the colours' resolution, as in nearly every video: what all players can show
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = threads
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_image(frame.convert("RGB"))))
            container.mux(stream.encode())
        return file.read_bytes()
