"""Videos as jobs over HTTP, made by a fake."""

import asyncio
import random

import pytest
from fakes.diffusion import VIDEOS, FakeMaker, media_pod

from inferfleet_runtime import contract
from inferfleet_runtime.front.jobs import Bounds
from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.media.host import GenerationFailedError, GenerationRefusedError

TENANT = contract.HEADER_TENANT


async def test_a_video_is_a_job_that_ends_with_a_file(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        p.maker.flowing.clear()
        made = await p.film(seed=3)
        assert (made["object"], made["status"], made["progress"]) == ("video", "in_progress", 0)
        waiting = await p.film()
        assert waiting["status"] == "queued"
        await p.client.delete(f"/v1/videos/{waiting['id']}")
        assert (await p.get(f"/{made['id']}/content", status=409))["error"]["code"] == "video_not_ready"
        p.maker.flowing.set()
        job = await p.done(made)
        assert (job["progress"], job["created_at"], job["expires_at"]) == (100, 1_000_000, 1_003_600)
        assert await p.get(f"/{made['id']}/content") == b"mp4 of waves by 3"
        assert p.value("inferfleet:video_seconds_total") == 17 / 8
        assert p.value("inferfleet:videos_stored_bytes") == len(b"mp4 of waves by 3")


async def test_part_of_a_video_can_be_downloaded(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        job = await p.done(await p.film(seed=3))
        response = await p.client.get(f"/v1/videos/{job['id']}/content", headers={"Range": "bytes=0-2"})
        assert (response.status, await response.read()) == (206, b"mp4")
        assert response.content_type == "video/mp4"


async def test_another_variant_of_the_content_is_refused(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        job = await p.done(await p.film())
        assert (await p.get(f"/{job['id']}/content?variant=thumbnail", status=400))["error"]["param"] == "variant"


async def test_a_job_over_the_queues_bound_is_429_and_not_listed(tmp_path):
    async with media_pod(tmp_path, VIDEOS, max_queued_tokens=400) as p:
        p.maker.flowing.clear()
        kept = [await p.film(), await p.film()]
        await p.until(running=1, waiting=1)
        assert (await p.film(status=429))["error"]["code"] == "queue_full"
        assert [job["id"] for job in (await p.get(""))["data"]] == [kept[1]["id"], kept[0]["id"]]
        p.maker.flowing.set()
        await p.done(kept[1])


async def test_a_job_whose_place_in_the_queue_a_higher_priority_takes_fails_and_says_so(tmp_path, caplog):
    trusted = {"trustedHeaders": True}
    async with media_pod(tmp_path, VIDEOS, max_queued_tokens=400, requests=trusted) as p:
        p.maker.flowing.clear()
        running, evicted = await p.film(), await p.film()
        await p.until(running=1, waiting=1)
        urgent = await p.film(headers={contract.HEADER_PRIORITY: "5"})
        job = await p.done(evicted, "failed")
        assert job["error"]["code"] == "queue_full"
        assert {running["id"], urgent["id"]} < {kept["id"] for kept in (await p.get(""))["data"]}
        p.maker.flowing.set()
        await p.done(urgent)
        # the urgent one waits behind the one that runs; nobody asks for the third
        await p.until(running=0)
        assert len(p.maker.asked) == 2
        assert p.value("inferfleet:rejected_requests_total") == 1
    assert "never retrieved" not in caplog.text


async def test_jobs_over_the_tables_bound_are_429(tmp_path):
    async with media_pod(tmp_path, VIDEOS, bounds=Bounds(jobs=1)) as p:
        p.maker.flowing.clear()
        await p.film()
        assert "Retry-After" in (await p.client.post("/v1/videos", json={"prompt": "x"})).headers
        p.maker.flowing.set()


async def test_a_removed_job_is_stopped_and_its_file_goes(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        done = await p.done(await p.film())
        p.maker.flowing.clear()
        running, waiting = await p.film(), await p.film()
        await p.until(running=1, waiting=1)
        for job in (waiting, running, done):
            answer = await p.client.delete(f"/v1/videos/{job['id']}")
            assert await answer.json() == {"id": job["id"], "object": "video.deleted", "deleted": True}
            await p.get(f"/{job['id']}", status=404)
        await p.until(running=0)
        assert list(p.media.shelf.folder.iterdir()) == []
        assert p.media.service.open_requests() == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BackendError("gone"), "engine_lost"),
        (GenerationFailedError("RuntimeError"), "generation_failed"),
        (GenerationRefusedError("too long", "context_length_exceeded"), "context_length_exceeded"),
        (OSError("no space left on device"), "storage_failed"),
        (LookupError("a defect that quotes: waves"), "server_error"),
    ],
)
async def test_a_job_that_fails_says_why(tmp_path, caplog, error, code):
    async with media_pod(tmp_path, VIDEOS, maker=FakeMaker(error=error)) as p:
        job = await p.done(await p.film(), "failed")
        assert job["error"]["code"] == code
    assert "waves" not in caplog.text


async def test_a_job_whose_deadline_passes_fails(tmp_path):
    async with media_pod(tmp_path, VIDEOS, requests={"deadlineSeconds": 0.05}) as p:
        p.maker.flowing.clear()
        job = await p.done(await p.film(), "failed")
        assert job["error"]["code"] == "deadline_exceeded"


async def test_old_videos_are_forgotten_with_their_files(tmp_path):
    async with media_pod(tmp_path, VIDEOS, bounds=Bounds(seconds=60)) as p:
        job = await p.done(await p.film())
        p.clock.now += 61
        assert (await p.get(f"/{job['id']}/content", status=404))["error"]["code"] == "video_not_found"
        assert list(p.media.shelf.folder.iterdir()) == []


async def test_tenants_do_not_see_each_others_videos(tmp_path):
    async with media_pod(tmp_path, VIDEOS, requests={"trustedHeaders": True}) as p:
        job = await p.film(headers={TENANT: "a"})
        await p.get(f"/{job['id']}", headers={TENANT: "a"})
        await p.get(f"/{job['id']}", status=404, headers={TENANT: "b"})
        await p.get(f"/{job['id']}", status=404)
        assert (await p.get("", headers={TENANT: "b"}))["data"] == []
        assert (await p.client.delete(f"/v1/videos/{job['id']}", headers={TENANT: "b"})).status == 404


async def test_a_list_goes_on_after_its_last(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        made = [(await p.film())["id"] for _ in range(3)]
        first = await p.get("?limit=2")
        assert ([j["id"] for j in first["data"]], first["has_more"]) == ([made[2], made[1]], True)
        assert (first["first_id"], first["last_id"]) == (made[2], made[1])
        rest = await p.get(f"?after={first['last_id']}")
        assert ([j["id"] for j in rest["data"]], rest["has_more"]) == ([made[0]], False)
        await p.get("?after=video_99", status=404)


async def test_a_form_with_a_file_or_a_field_twice_is_refused(tmp_path):
    import aiohttp

    async with media_pod(tmp_path, VIDEOS) as p:
        picture = aiohttp.FormData({"prompt": "x"})
        picture.add_field("input_reference", b"png", filename="a.png")
        twice = aiohttp.FormData([("prompt", "x"), ("prompt", "y")])
        for form in (picture, twice):
            response = await p.client.post("/v1/videos", data=form)
            assert response.status == 400, await response.text()


@pytest.mark.parametrize(
    "part", [b'name="prompt"\r\nContent-Type: text/plain; charset=foo', b'name="pro\x00mpt"'], ids=["charset", "NUL"]
)
async def test_a_form_that_is_malformed_is_400(tmp_path, part):
    body = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n\r\nx\r\n--b--\r\n"
    async with media_pod(tmp_path, VIDEOS) as p:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        response = await p.client.post("/v1/videos", data=body, headers=headers)
        assert response.status == 400
        assert "the body is no form" in (await response.json())["error"]["message"]


async def test_a_drain_waits_for_a_job(tmp_path):
    async with media_pod(tmp_path, VIDEOS) as p:
        p.maker.flowing.clear()
        job = await p.film()
        await p.until(running=1)
        assert p.media.service.open_requests() == 1
        p.maker.flowing.set()
        await p.done(job)
        assert p.media.service.open_requests() == 0


async def test_clients_that_come_and_go_leave_nothing_behind(tmp_path):
    chance = random.Random(7)  # the same story each time
    bounds = Bounds(jobs=6, bytes=60)
    async with media_pod(tmp_path, VIDEOS, bounds=bounds, max_queued_tokens=2000) as p:

        async def visit(number):
            response = await p.client.post("/v1/videos", json={"prompt": "waves", "seed": number})
            made = await response.json()
            await asyncio.sleep(chance.random() / 50)
            if response.status == 200 and chance.random() < 0.5:
                await p.client.delete(f"/v1/videos/{made['id']}")
            return response.status

        visits = [asyncio.create_task(visit(number)) for number in range(120)]
        for task in visits:
            await asyncio.sleep(chance.random() / 100)
            if chance.random() < 0.2:
                task.cancel()
        seen = await asyncio.gather(*visits, return_exceptions=True)
        assert {200, 429} <= set(seen)
        await p.until(running=0)
        async with asyncio.timeout(20):
            while p.media.tasks:
                await asyncio.sleep(0.002)
        listed = (await p.get("?limit=100"))["data"]
        assert p.media.service.open_requests() == 0
        assert {path.stem for path in p.media.shelf.folder.iterdir()} == {job["id"] for job in listed}
        assert sum(path.stat().st_size for path in p.media.shelf.folder.iterdir()) <= bounds.bytes
        assert await p.done(await p.film())
