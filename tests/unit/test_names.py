"""Names are permanent: a change here orphans what runs in users' clusters."""

from hypothesis import given
from hypothesis import strategies as st

from inferfleet import names

LONG = "a-very-long-name-that-goes-on-and-on-until-it-is-sixty-three-ch"


def test_names_are_as_they_have_always_been() -> None:
    placement = names.placement_id("cpu-small", "q4-0", "llama-cpp")
    assert placement == "9e36e108"
    assert names.placement_name("demo", "chat", placement) == "demo-chat-9e36e108"
    assert names.config_name("demo-chat-9e36e108") == "demo-chat-9e36e108-config"
    assert names.service_name("demo", "chat") == "demo-chat"
    assert names.endpoint_url("ns", "demo", "chat") == "http://demo-chat.ns.svc/v1"
    assert names.service_name(LONG, "chat") == "a-very-long-name-that-goes-on-and-on-until-it-is-sixty-c36a7d3a"


def test_what_serves_several_classes_has_a_label_and_a_name_of_its_own() -> None:
    label = names.shared(["search", "chat"])
    assert (label, names.classes_of(label)) == ("chat_search", ("chat", "search"))
    placement = names.placement_id("cpu-small", "q4-0", "llama-cpp", label)
    assert names.placement_name("demo", label, placement) == f"demo-chat-search-{placement}"
    assert placement == names.digest(["cpu-small", "q4-0", "llama-cpp", label])
    assert names.classes_of("chat") == ("chat",)


def test_labels_are_as_they_have_always_been() -> None:
    labels = {name: value for name, value in vars(names).items() if name.startswith(("LABEL_", "ANNOTATION_"))}
    assert labels == {
        "LABEL_MANAGED": "inferfleet.io/managed",
        "LABEL_MODEL": "inferfleet.io/model",
        "LABEL_CLASS": "inferfleet.io/class",
        "LABEL_POOL": "inferfleet.io/pool",
        "LABEL_VARIANT": "inferfleet.io/variant",
        "LABEL_ENGINE": "inferfleet.io/engine",
        "LABEL_PLACEMENT": "inferfleet.io/placement",
        "ANNOTATION_HASH": "inferfleet.io/desired-hash",
        "ANNOTATION_CONFIG": "inferfleet.io/config-hash",
        "ANNOTATION_SLOTS": "inferfleet.io/slots",
        "ANNOTATION_PROFILE": "inferfleet.io/capacity-profile",
        "ANNOTATION_IMAGE": "inferfleet.io/runtime-image",
        "ANNOTATION_DIALECT": "inferfleet.io/configuration-dialect",
        "ANNOTATION_ENGINE_VERSION": "inferfleet.io/engine-version",
        "ANNOTATION_SPILL": "inferfleet.io/spill",
    }


label = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(label, label)
def test_every_child_has_a_valid_name(model: str, class_: str) -> None:
    placement = names.placement_id("p", "v", "e")
    assert len(names.placement_name(model, class_, placement)) <= 52
    assert len(names.config_name(names.placement_name(model, class_, placement))) <= 63
    assert len(names.service_name(model, class_)) <= 63


def test_long_names_that_share_a_beginning_stay_apart() -> None:
    assert names.service_name(LONG, "chat") != names.service_name(LONG, "chat2")


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert names.digest({"a": 1, "b": [2]}) == names.digest({"b": [2], "a": 1})
