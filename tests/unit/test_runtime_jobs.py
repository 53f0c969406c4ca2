import pytest
from fakes.diffusion import VIDEOS

from inferfleet_runtime.api.media import Generation
from inferfleet_runtime.front.jobs import Bounds, Jobs, Shelf, VideoJob

ASKED = Generation("waves", VIDEOS.usual, seed=7, format="mp4")


def job(number, status="completed", **fields):
    ended = None if status in ("queued", "in_progress") else 100.0 + number
    return VideoJob(
        f"v{number}",
        "team/m",
        **{"tenant": "", "generation": ASKED, "created": 90.0, "status": status, "ended": ended} | fields,
    )


def jobs(*members, **bounds):
    known = Jobs(Bounds(**bounds))
    for member in members:
        known.add(member)
    return known


def names(found):
    return [member.id for member in found]


def test_nothing_is_surplus_within_the_bounds():
    assert jobs(job(1), job(2)).surplus(now=110) == []


def test_over_the_number_the_oldest_ended_ones_go_and_never_what_is_not_done():
    known = jobs(job(1, "in_progress"), job(2), job(3, "failed"), job(4), jobs=2)
    assert names(known.surplus(now=110)) == ["v2", "v3"]


def test_over_the_bytes_the_oldest_go():
    known = jobs(job(1, bytes=60), job(2, bytes=30), job(3, bytes=30), bytes=70)
    assert names(known.surplus(now=110)) == ["v1"]


def test_what_is_too_old_goes():
    known = jobs(job(1), job(50), seconds=20)
    assert names(known.surplus(now=140)) == ["v1"]


def test_a_job_is_its_tenants_alone():
    known = jobs(job(1, tenant="a"), job(2, tenant="b"))
    assert known.get("v1", "b") is None
    assert known.get("v1", "a") is not None
    assert names(known.page("b", 10, None, True)[0]) == ["v2"]


def test_pages_follow_each_other_in_either_order():
    known = jobs(*map(job, range(5)))
    first, more = known.page("", 2, None, newest_first=True)
    assert (names(first), more) == (["v4", "v3"], True)
    last, more = known.page("", 3, "v3", newest_first=True)
    assert (names(last), more) == (["v2", "v1", "v0"], False)
    assert names(known.page("", 1, "v1", newest_first=False)[0]) == ["v2"]
    with pytest.raises(KeyError):
        known.page("", 1, "v9", newest_first=False)


def test_progress_is_100_only_when_the_file_is_there():
    assert job(1, "queued").progress == 0
    assert job(1, "in_progress", steps=5).progress == 25
    assert job(1, "in_progress", steps=20).progress == 99
    assert job(1, steps=20).progress == 100


def test_a_completed_job_says_when_it_expires_and_a_failed_one_why():
    shown = job(1).shown(keep_seconds=60)
    assert (shown["completed_at"], shown["expires_at"], shown["error"]) == (101, 161, None)
    failed = job(1, "failed", error=("engine_lost", "gone")).shown(60)
    assert (failed["completed_at"], failed["expires_at"]) == (None, None)
    assert failed["error"] == {"code": "engine_lost", "message": "gone"}


def test_as_many_may_be_unfinished_as_may_be_known():
    assert jobs(job(1, "queued"), job(2, "in_progress"), jobs=2).full()
    assert not jobs(job(1, "queued"), job(2), jobs=2).full()


def test_a_shelf_keeps_files_and_begins_empty(tmp_path):
    shelf = Shelf(tmp_path / "results")
    shelf.clear()
    shelf.put("v1", b"film")
    assert shelf.path("v1").read_bytes() == b"film"
    shelf.drop(["v1", "v2"])
    assert not shelf.path("v1").exists()
    shelf.put("v3", b"of an earlier process")
    shelf.clear()
    assert list(shelf.folder.iterdir()) == []
