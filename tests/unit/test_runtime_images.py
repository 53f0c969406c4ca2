import base64

import pytest
from fakes.diffusion import PICTURES

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.images import images_answer, parse_images
from inferfleet_runtime.api.media import MediaLimits, Pipeline, Shape
from inferfleet_runtime.api.work import Work

LIMITS = MediaLimits(frozenset({"team/m", "m"}), PICTURES, usual=PICTURES.usual)


def parse(limits=LIMITS, **fields):
    return parse_images({"model": "m", "prompt": "a house", **fields}, limits, any_seed=42)


def refusal(limits=LIMITS, **fields):
    with pytest.raises(ApiError) as caught:
        parse(limits, **fields)
    return caught.value


def test_what_is_not_said_is_the_usual():
    call = parse()
    assert call.first.shape == PICTURES.usual
    assert (call.first.seed, call.first.format, call.count, call.quality) == (42, "png", 1, "auto")
    assert call.tokens == 64 * 64


def test_everything_that_can_be_said_is_obeyed():
    call = parse(
        size="640x384",
        n=3,
        seed=7,
        num_inference_steps=10,
        guidance_scale=4,
        negative_prompt="fog",
        output_format="webp",
        output_compression=50,
        user="u",
        moderation="low",
        background="opaque",
        response_format="b64_json",
    )
    assert call.first.shape == Shape(640, 384, 10)
    assert [picture.seed for picture in call.pictures()] == [7, 8, 9]
    assert {(p.guidance_scale, p.negative_prompt, p.format, p.compression) for p in call.pictures()} == {
        (4.0, "fog", "webp", 50)
    }
    assert call.tokens == 3 * 80 * 48


@pytest.mark.parametrize(
    ("quality", "steps"), [("low", 10), ("medium", 20), ("standard", 20), ("auto", 20), ("high", 40), ("hd", 40)]
)
def test_quality_is_a_number_of_steps(quality, steps):
    assert parse(quality=quality).first.shape.steps == steps


def test_work_is_tokens_at_the_usual_steps():
    assert parse(prompt="x" * 40).work == Work(10, 64 * 64)
    assert parse(num_inference_steps=40, n=2).work.output == 2 * 2 * 64 * 64
    assert parse(size="256x256").work.output == 32 * 32


def test_a_seed_of_zero_is_a_seed():
    assert parse(seed=0).first.seed == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "x" * 40_000}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": True}, "n"),
        ({"size": "512"}, "size"),
        ({"size": "0x512"}, "size"),
        ({"size": "500x512"}, "size"),
        ({"size": 512}, "size"),
        ({"size": "1536x1536"}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"background": "transparent"}, "background"),
        ({"stream": True}, "stream"),
        ({"partial_images": 2}, "partial_images"),
        ({"style": "vivid"}, "style"),
        ({"quality": "best"}, "quality"),
        ({"quality": "hd", "num_inference_steps": 3}, "quality"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": []}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"num_inference_steps": 81}, "num_inference_steps"),
        ({"num_inference_steps": 2.5}, "num_inference_steps"),
        ({"guidance_scale": "7"}, "guidance_scale"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"seed": -1}, "seed"),
        ({"mask": "x"}, "mask"),
        ({"model": 5}, "model"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(fields, param):
    error = refusal(**fields)
    assert error.param == param
    assert error.status == (404 if param == "model" else 400)
    assert f"`{param}`" in error.message or param in ("model", "size")


def test_another_model_is_404_and_none_is_the_one_that_is_served():
    assert refusal(model="dall-e-3").code == "model_not_found"
    assert parse(model=None).count == 1


def test_a_pipeline_without_guidance_says_so():
    plain = Pipeline("Image", PICTURES.usual, grid=8)
    limits = MediaLimits(LIMITS.names, plain, usual=plain.usual)
    assert refusal(limits, guidance_scale=3).param == "guidance_scale"
    assert refusal(limits, negative_prompt="fog").param == "negative_prompt"


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(ApiError, match="JSON object"):
        parse_images([], LIMITS, 1)


def test_the_answer_is_openais_with_usage_and_seeds():
    call = parse(n=2, seed=7, output_format="jpeg", quality="hd")
    answer = images_answer(call, [b"one", b"two"], prompt_tokens=5, created=99)
    assert [base64.b64decode(d["b64_json"]) for d in answer["data"]] == [b"one", b"two"]
    assert [d["seed"] for d in answer["data"]] == [7, 8]
    assert (answer["created"], answer["size"], answer["output_format"], answer["quality"]) == (
        *(99, "512x512"),
        *("jpeg", "hd"),
    )
    usage = answer["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (5, 8192, 8197)
