"""Videos of a real pipeline through the real server, asked for with OpenAI's client."""

import io

import av
import openai
import pytest


@pytest.fixture
def client(video_pod):
    with video_pod.client() as client:
        yield client


def film(client, prompt="waves", **fields):
    extra = {name: fields.pop(name) for name in ("seed", "num_frames", "fps", "num_inference_steps") if name in fields}
    return client.videos.create_and_poll(prompt=prompt, model="tiny", extra_body=extra, poll_interval_ms=50, **fields)


def frames(content):
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, float(stream.average_rate), list(container.decode(video=0))


def test_a_video_has_the_frames_the_rate_and_the_size_that_were_asked_for(client):
    video = film(client, size="96x64", num_frames=12, fps=4, seed=1)
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.seconds, video.size, video.prompt, video.model) == ("3", "96x64", "waves", "team/tiny")
    assert video.completed_at >= video.created_at
    assert video.expires_at == video.completed_at + 3600
    codec, rate, seen = frames(client.videos.download_content(video.id).content)
    assert (codec, rate, len(seen)) == ("h264", 4.0, 12)
    assert (seen[0].width, seen[0].height) == (96, 64)


def test_seconds_are_frames_by_the_usual_rate(client):
    video = film(client, seconds="2")
    assert (video.seconds, len(frames(client.videos.download_content(video.id).content)[2])) == ("2", 16)


def test_the_same_seed_gives_the_same_bytes_each_time_and_another_prompt_others(client):
    def content(prompt):
        return client.videos.download_content(film(client, prompt, seed=5).id).content

    # an encoder that is not exact differs in some runs only
    same = {content("waves") for _ in range(10)}
    assert len(same) == 1
    assert content("a fire") not in same


def test_videos_are_listed_shown_and_deleted(client, video_pod):
    older, newer = film(client), film(client)
    listed = [video.id for video in client.videos.list()]
    assert listed.index(newer.id) < listed.index(older.id)
    page = client.videos.list(limit=1)
    assert [page.data[0].id, page.has_more] == [newer.id, True]
    assert client.videos.retrieve(older.id).id == older.id
    gone = client.videos.delete(older.id)
    assert (gone.id, gone.deleted, gone.object) == (older.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(older.id)
    kept = {path.stem for path in (video_pod.root / "var/lib/inferfleet/weights/results").glob("*.mp4")}
    assert newer.id in kept
    assert older.id not in kept


def test_a_running_job_shows_progress_and_is_stopped_by_its_removal(client, video_pod):
    job = client.videos.create(prompt="waves", model="tiny", extra_body={"num_inference_steps": 12, "num_frames": 33})
    assert job.status in ("queued", "in_progress")
    with pytest.raises(openai.ConflictError):
        client.videos.download_content(job.id)
    video_pod.until(lambda: 0 < client.videos.retrieve(job.id).progress < 100, "progress")
    client.videos.delete(job.id)
    video_pod.until(lambda: video_pod.metrics()["vllm:num_requests_running"] == 0, "the end of the job")
    assert film(client).status == "completed"


def test_json_is_taken_as_the_form_is(client):
    body = {"prompt": "waves", "model": "tiny", "seconds": "1", "size": "64x64"}
    job = client.post("/videos", cast_to=object, body=body)
    assert (job["seconds"], job["size"]) == ("1", "64x64")
    client.videos.poll(job["id"], poll_interval_ms=50)


def test_what_is_counted_is_what_was_made(client, video_pod):
    before = video_pod.metrics()
    film(client, num_frames=8, fps=4)
    after = video_pod.metrics()
    assert after["inferfleet:video_seconds_total"] - before["inferfleet:video_seconds_total"] == 2
    assert after["inferfleet:videos_stored_bytes"] > before["inferfleet:videos_stored_bytes"]
