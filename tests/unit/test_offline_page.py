"""The HTML page of a plan: it stands alone, and its pictures show what was chosen and what was kept out."""

import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from html.parser import HTMLParser

import make
from offline_worlds import Fleet, fleet, small

from inferfleet.offline.frontier import pareto
from inferfleet.offline.render.html.chart import chart
from inferfleet.offline.render.html.scale import axis
from inferfleet.offline.types import Frontier, Point

__all__ = ["fleet"]


def page(fleet: Fleet, **slo: str) -> str:
    _, pool, model = small()
    said = fleet.plan(make.workload_class(slo=slo), pool, make.pool("dear", "0.5"), model, argv=("-o", "html"))
    return said.out


def pictures(text: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r'<svg class="chart".*?</svg>', text, flags=re.DOTALL)]


def classes(picture: ET.Element) -> list[str]:
    return [element.get("class", "") for element in picture.iter()]


def test_it_needs_nothing_from_anywhere(fleet: Fleet) -> None:
    text = page(fleet, ttft="2s")
    assert "<script" not in text
    assert re.findall(r"(?:src|href)=|url\(|@import|https?://", text) == []
    assert "prefers-color-scheme: dark" in text


class Balanced(HTMLParser):
    """Knows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_element_is_closed(fleet: Fleet) -> None:
    parser = Balanced()
    parser.feed(page(fleet, ttft="2s", tpot="100ms"))
    assert parser.open == []


def test_there_is_a_picture_for_every_target(fleet: Fleet) -> None:
    labels = [p.get("aria-label") for p in pictures(page(fleet, ttft="2s", tpot="100ms"))]
    assert labels == ["USD per 1M tokens over TTFT", "USD per 1M tokens over TPOT"]


def test_a_class_without_targets_has_one_of_the_whole_request(fleet: Fleet) -> None:
    assert [p.get("aria-label") for p in pictures(page(fleet))] == ["USD per 1M tokens over end to end"]


def test_one_point_is_chosen_and_what_misses_the_target_is_there_too(fleet: Fleet) -> None:
    (picture,) = pictures(page(fleet, tpot="3ms"))
    marks = classes(picture)
    assert marks.count("chosen") == 1
    assert marks.count("target") == 1
    assert "possible" in marks
    assert "rejected" in marks


def test_a_workload_without_a_placement_shows_how_far_it_is(fleet: Fleet) -> None:
    (picture,) = pictures(page(fleet, ttft="1ms"))
    assert "chosen" not in classes(picture)
    assert "rejected" in classes(picture)


def test_names_are_text() -> None:
    shown = Frontier((Point("<b>&", 1, Decimal(1), {"ttft": 1.0}, "Rejected", "<i>"),), {"ttft": 2.0})
    assert "<b>" not in chart(shown, "ttft")
    assert "&lt;b&gt;&amp;" in chart(shown, "ttft")


# --- the frontier and its axes --------------------------------------------------------------


def point(cost: str, seconds: float) -> Point:
    return Point(f"{cost} {seconds}", 1, Decimal(cost), {"tpot": seconds}, "Possible")


def test_the_frontier_is_what_nothing_beats_in_both() -> None:
    points = [point("3", 1), point("2", 2), point("2.5", 3), point("1", 4), point("2", 2.5)]
    assert [(p.cost, p.latency["tpot"]) for p in pareto(points, "tpot")] == [
        (Decimal(3), 1),
        (Decimal(2), 2),
        (Decimal(1), 4),
    ]


def test_an_axis_keeps_the_order_and_has_round_ticks() -> None:
    found = axis([0.012, 0.5], 0, 100)
    assert 0 < found.at(0.012) < found.at(0.1) < found.at(0.5) < 100
    assert found.ticks() == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    assert axis([1e-3, 10.0], 0, 100).ticks() == [0.001, 0.01, 0.1, 1.0, 10.0]


def test_one_value_alone_has_an_axis() -> None:
    found = axis([0.2], 0, 100)
    assert round(found.at(0.2)) == 50
