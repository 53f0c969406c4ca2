from inferfleet_runtime.hosts.llama.prefixes import Past, Plan, Shelf, Slot, plan
from inferfleet_runtime.hosts.llama.prompts import BLOCK, read

SHARED = "s" * 4 * BLOCK


def prompt(words, salt=""):
    return read("/v1/completions", {"prompt": words}, salt)


def slots(*held):
    return tuple(Slot(i, holds=prompt(h) if h else None, salt="", used=i) for i, h in enumerate(held))


def test_a_beginning_is_common_once_two_prompts_went_on_differently():
    past = Past()
    assert past.common(prompt(SHARED + "one")) == 0
    assert past.common(prompt(SHARED + "two")) == 4
    assert past.common(prompt(SHARED + "one")) == 4


def test_the_next_turns_of_one_conversation_share_nothing_with_others():
    past, said = Past(), SHARED
    for turn in range(5):
        said += f"turn {turn} " * 30
        assert past.common(prompt(said)) == 0


def test_a_prompt_that_ended_within_a_block_is_continued_not_branched():
    past = Past()
    assert past.common(prompt(SHARED + "one")) == past.common(prompt(SHARED + "one and more")) == 0
    assert past.common(prompt(SHARED + "one or less")) == 4


def test_salts_have_nothing_in_common():
    past = Past()
    assert past.common(prompt(SHARED + "one", "a")) == past.common(prompt(SHARED + "two", "b")) == 0


def test_past_prompts_are_forgotten_in_the_end():
    past = Past()
    past.common(prompt(SHARED + "one"))
    for i in range(60):
        past.common(prompt(f"{i} " * 1000 * BLOCK))
    assert past.common(prompt(SHARED + "two")) == 0
    assert len(past._nodes) <= 50_000


def test_a_request_gets_the_slot_that_holds_most_of_its_prompt():
    free = slots("other", SHARED + "one", SHARED)
    assert plan(prompt(SHARED + "one and on" * 50), free, (), 0).slot.number == 1


def test_a_busy_slot_is_never_lent():
    free = slots(SHARED, None)
    free[0].busy = True
    assert plan(prompt(SHARED), free, (), 0).slot.number == 1
    free[1].busy = True
    assert plan(prompt(SHARED), free, (), 0) is None


def test_a_request_that_shares_nothing_gets_the_slot_that_rested_longest():
    free = slots("a" * 900, "b" * 900, "c" * 900)
    free[1].used = -1
    assert plan(prompt("new"), free, (), 0).slot.number == 1
    assert plan(None, free, (), 0).slot.number == 1


def test_a_saved_beginning_is_restored_into_a_slot_that_lacks_it():
    new = prompt(SHARED + "two")
    chosen = plan(new, slots(None, SHARED + "one"), [new.marks[4]], 4)
    assert chosen == Plan(chosen.slot, restore=new.marks[4])
    assert chosen.slot.number == 0  # the other slot's conversation is left alone


def test_a_slot_that_has_it_needs_no_restoring():
    new = prompt(SHARED + "two")
    chosen = plan(new, slots(SHARED + "one", None), [new.marks[4]], 4)
    assert (chosen.slot.number, chosen.restore) == (0, None)


def test_a_conversation_goes_on_in_its_own_slot_though_its_beginning_is_saved():
    longer = SHARED + "one " * 100
    new = prompt(longer + "and on")
    chosen = plan(new, slots(None, longer), [new.marks[4]], 4)
    assert (chosen.slot.number, chosen.restore) == (1, None)


def test_a_common_beginning_that_is_not_saved_is_made_where_most_of_it_is():
    new = prompt(SHARED + "two")
    chosen = plan(new, slots(None, SHARED + "one"), (), 4)
    assert (chosen.slot.number, chosen.make) == (1, 4)


def test_a_longer_common_beginning_is_made_from_a_shorter_one():
    new = prompt(SHARED + SHARED + "two")
    chosen = plan(new, slots(None, None), [new.marks[4]], 8)
    assert (chosen.restore, chosen.make) == (new.marks[4], 8)


def test_short_beginnings_are_not_worth_a_file():
    assert plan(prompt(SHARED), slots(None), (), 1).make is None


def test_the_shelf_gives_up_what_was_not_wanted_longest():
    shelf = Shelf(100)
    assert shelf.put(b"a", 40) == shelf.put(b"b", 40) == []
    shelf.used(b"a")
    assert shelf.put(b"c", 40) == [b"b"]
    assert sorted(shelf) == [b"a", b"c"]


def test_the_shelf_gives_up_nothing_for_what_can_never_fit():
    shelf = Shelf(100)
    shelf.put(b"a", 40)
    assert shelf.put(b"b", 101) == [b"b"]
    assert list(shelf) == [b"a"]
    assert shelf.put(b"a", 101) == [b"a"]
    assert list(shelf) == []
