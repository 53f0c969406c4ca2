import pytest
from fakes.diffusion import VIDEOS

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.media import MediaLimits, Shape
from inferfleet_runtime.api.videos import page_of, parse_video, seconds_of

LIMITS = MediaLimits(frozenset({"team/m", "m"}), VIDEOS, usual=VIDEOS.usual)


def parse(**fields):
    return parse_video({"model": "m", "prompt": "waves", **fields}, LIMITS, any_seed=42)


def refusal(**fields):
    with pytest.raises(ApiError) as caught:
        parse(**fields)
    return caught.value


def test_what_is_not_said_is_the_usual():
    call = parse()
    assert call.generation.shape == VIDEOS.usual
    assert (call.generation.format, call.generation.seed) == ("mp4", 42)
    # of 17 frames the first stands alone and the others are two groups of eight
    assert call.work.output == (512 // 32) * (256 // 32) * 3


@pytest.mark.parametrize(
    ("fields", "frames", "fps"),
    [
        ({"seconds": "4"}, 32, 8.0),
        ({"seconds": 4}, 32, 8.0),
        ({"seconds": "2", "fps": "16"}, 32, 16.0),
        ({"num_frames": "9"}, 9, 8.0),
        ({"fps": 24}, 17, 24.0),
        ({"seconds": "0.5"}, 4, 8.0),
    ],
)
def test_length_is_seconds_by_rate_or_frames(fields, frames, fps):
    shape = parse(**fields).generation.shape
    assert (shape.frames, shape.fps) == (frames, fps)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"seconds": "long"}, "seconds"),
        ({"seconds": "0"}, "seconds"),
        ({"seconds": "inf"}, "seconds"),
        ({"seconds": "9"}, "seconds"),
        ({"seconds": "1", "num_frames": "8"}, "seconds"),
        ({"num_frames": "69"}, "num_frames"),
        ({"num_frames": "1e3"}, "num_frames"),
        ({"num_frames": "60", "size": "1024x512"}, "num_frames"),
        ({"fps": "0"}, "fps"),
        ({"fps": "1000"}, "fps"),
        ({"size": "720x1280"}, "size"),
        ({"input_reference": "x"}, "input_reference"),
        ({"characters": "x"}, "characters"),
        ({"prompt": " "}, "prompt"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(fields, param):
    error = refusal(**fields)
    assert (error.status, error.param) == (400, param)


def test_seconds_are_written_as_openai_does():
    assert seconds_of(Shape(64, 64, 1, 32, 8.0)) == "4"
    assert seconds_of(Shape(64, 64, 1, 9, 25.0)) == "0.36"


def test_a_page_is_asked_for_by_limit_after_and_order():
    assert page_of({}) == (20, None, True)
    assert page_of({"limit": "5", "after": "video_1", "order": "asc"}) == (5, "video_1", False)


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "00000999"}, {"limit": "x"}, {"limit": "²"}, {"order": "up"}]
)
def test_a_page_that_is_none_is_refused(query):
    with pytest.raises(ApiError):
        page_of(query)
