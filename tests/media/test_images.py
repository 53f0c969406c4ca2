"""Pictures of a real pipeline through the real server, asked for with OpenAI's client."""

import base64
import io
import os
import signal
import threading

import openai
import pytest
from PIL import Image


@pytest.fixture
def client(image_pod):
    with image_pod.client() as client:
        yield client


def draw(client, prompt="a red house", **fields):
    extra = {name: fields.pop(name) for name in ("seed", "num_inference_steps", "guidance_scale") if name in fields}
    return client.images.generate(prompt=prompt, model="tiny", extra_body=extra, **fields)


def content(response, index=0):
    return base64.b64decode(response.data[index].b64_json)


def test_a_picture_has_the_size_that_was_asked_for(client):
    response = draw(client, size="96x64", seed=1)
    with Image.open(io.BytesIO(content(response))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (96, 64), "RGB")
        assert len(picture.getcolors(picture.width * picture.height)) > 100  # something was painted
    assert response.size == "96x64"
    assert response.usage.output_tokens == 12 * 8
    assert response.usage.total_tokens == response.usage.input_tokens + 12 * 8


def test_the_same_seed_gives_the_same_bytes_and_another_prompt_or_seed_others(client):
    first = content(draw(client, seed=7))
    assert content(draw(client, seed=7)) == first
    assert content(draw(client, seed=8)) != first
    assert content(draw(client, "a blue lake", seed=7)) != first


def test_more_steps_give_another_picture(client, image_pod):
    before = image_pod.metrics()["inferfleet:diffusion_steps_total"]
    few, many = draw(client, seed=7, num_inference_steps=2), draw(client, seed=7, quality="high")
    assert content(few) != content(many)
    assert image_pod.metrics()["inferfleet:diffusion_steps_total"] - before == 2 + 6


def test_the_second_of_two_pictures_is_that_of_the_next_seed(client):
    both = draw(client, n=2, seed=20)
    assert [picture.seed for picture in both.data] == [20, 21]
    assert content(both, 1) == content(draw(client, seed=21))


@pytest.mark.parametrize(("name", "format_"), [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_hold_the_picture_too(client, name, format_):
    response = draw(client, output_format=name, output_compression=60, seed=1)
    with Image.open(io.BytesIO(content(response))) as picture:
        picture.load()
        assert (picture.format, picture.size) == (format_, (64, 64))


def test_no_prompt_travels_in_the_file(client):
    picture = content(draw(client, "unmistakable lighthouse", seed=1))
    assert b"unmistakable" not in picture


def test_a_prompt_that_the_model_would_cut_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        draw(client, "word " * 200)
    assert caught.value.code == "context_length_exceeded"


def test_what_is_counted_is_what_was_made(client, image_pod):
    before = image_pod.metrics()
    draw(client, n=2)
    after = image_pod.metrics()
    grown = {name: after[name] - before[name] for name in after if name in before}
    assert grown["inferfleet:images_total"] == 2
    assert grown["inferfleet:diffusion_steps_total"] == 6
    assert grown["vllm:generation_tokens_total"] == pytest.approx(2)
    assert grown["vllm:e2e_request_latency_seconds_count"] == 1
    assert grown["vllm:request_inference_time_seconds_count"] == 1
    assert grown["inferfleet:arrival_work_seconds_total"] > 0
    assert after["inferfleet:capacity_tokens_per_second"] > 0


def test_text_and_videos_are_refused_with_a_reason(client):
    with pytest.raises(openai.NotFoundError, match="modality Text"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.NotFoundError, match="modality Video"):
        client.videos.create(prompt="x")


def test_a_client_that_goes_stops_its_picture(start, pictures):
    pod = start(pictures, "Image", media={"width": 64, "height": 64, "steps": 200}).ready()
    with pod.client() as hasty, pytest.raises(openai.APITimeoutError):
        draw(hasty.with_options(timeout=1.0), num_inference_steps=800)
    pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 0, "the end of the request")
    done = pod.metrics()["inferfleet:diffusion_steps_total"]
    with pod.client() as patient:
        draw(patient, num_inference_steps=1)  # comes after what was left of the step
    # of the 800 steps those are missing that nobody waited for
    assert pod.metrics()["inferfleet:diffusion_steps_total"] - done < 700
    pod.until(lambda: len(pod.outcomes()) == 2, "the log of both requests")
    assert pod.outcomes() == ["cancelled", "finished"]


def test_a_picture_that_cannot_be_done_in_time_ends_with_504(image_pod):
    hurry = {"X-Inferfleet-Timeout": "0.001"}
    with image_pod.client(default_headers=hurry) as client, pytest.raises(openai.InternalServerError) as caught:
        draw(client, num_inference_steps=12)
    assert (caught.value.status_code, caught.value.code) == (504, "deadline_exceeded")


def test_a_full_queue_is_refused_with_the_time_to_wait(image_pod):
    with image_pod.client() as client:
        long = threading.Thread(target=lambda: draw(client, n=10, num_inference_steps=12))
        long.start()
        image_pod.until(lambda: image_pod.metrics()["vllm:num_requests_running"] == 1, "a running request")
        with pytest.raises(openai.RateLimitError) as caught:
            draw(client, n=10)
        assert int(caught.value.response.headers["Retry-After"]) >= 1
        long.join()


def test_a_lost_engine_ends_the_pod_with_a_message_and_the_request_with_502(start, pictures):
    pod = start(pictures, "Image").ready()
    failures = []
    with pod.client() as client:

        def ask():
            try:
                draw(client, n=10, num_inference_steps=12)
            except openai.APIError as error:
                failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 1, "a running request")
        os.kill(pod.engine(), signal.SIGKILL)
        asking.join()
        assert pod.process.wait(600) == 1
    assert [type(error) for error in failures] in ([openai.InternalServerError], [openai.APIConnectionError])
    assert "SIGKILL" in pod.log.read_text().splitlines()[-1]


def test_a_drain_waits_for_the_picture_that_is_being_made(start, pictures):
    pod = start(pictures, "Image").ready()
    answers = []
    with pod.client() as client:
        asking = threading.Thread(target=lambda: answers.append(draw(client, n=10, num_inference_steps=12)))
        asking.start()
        pod.until(lambda: pod.metrics()["vllm:num_requests_running"] == 1, "a running request")
        pod.terminate()
        asking.join()
        assert pod.process.wait(600) == 0
    assert len(answers[0].data) == 10


def test_a_model_of_another_modality_is_refused_at_the_start(start, pictures):
    pod = start(pictures, "Video")
    assert pod.process.wait(600) == 1
    assert "the model makes Image" in pod.log.read_text().splitlines()[-1]
