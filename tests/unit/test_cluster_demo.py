"""The parts of the demo that decide what its figures mean."""

import time

from e2e import demo


def model(*placements: tuple[int, int]) -> dict[str, object]:
    return {"status": {"placements": [{"replicas": replicas, "ready": ready} for replicas, ready in placements]}}


def test_a_replica_that_goes_while_it_is_still_ready_does_not_count_as_serving() -> None:
    story = demo.Story(0.0)
    assert demo.serving(story, model((1, 2))) == 1
    assert demo.serving(story, model((2, 1), (1, 1))) == 2
    assert demo.serving(story, model((1, 1))) == 1
    assert story.figures["max_replicas"] == 2


def test_the_time_that_make_needed_before_is_counted() -> None:
    now = time.monotonic()
    assert demo.began({}) >= now
    assert demo.began({"INFERFLEET_STARTED": str(int(time.time()) - 100)}) <= time.monotonic() - 100
    assert demo.began({"INFERFLEET_STARTED": str(int(time.time()) + 100)}) >= now


def test_the_figures_of_another_cluster_go_to_another_file() -> None:
    assert demo.figures_file("inferfleet").name == "demo.json"
    assert demo.figures_file("mine").name == "demo-mine.json"
