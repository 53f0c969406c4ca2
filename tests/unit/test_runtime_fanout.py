import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.llama.prefixes import Shelf, Slot
from inferfleet_runtime.hosts.llama.prompts import BLOCK
from inferfleet_runtime.hosts.llama.slots import Slots

SHARED = "s" * 4 * BLOCK
SIZE = 100
PATH = "/v1/completions"


class Reply:
    def __init__(self, status, answer):
        self.status, self._answer = status, answer

    async def read(self):
        return json.dumps(self._answer).encode()


class Engine:
    """Strict: one request at a time for a slot, and no file is restored that was not saved. Writes empty files."""

    def __init__(self, folder, slots=2, size=SIZE):
        self.folder, self.busy, self.done, self.size = folder, set(), [], size
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.refuses, self.lost = set(), False
        self.slots = Slots(self.post, tuple(map(Slot, range(slots))), Shelf(3 * SIZE), folder)

    @asynccontextmanager
    async def post(self, path, body):
        if self.lost:
            raise BackendError("it is gone")
        number = int(path.split("/")[2].split("?")[0]) if path.startswith("/slots") else body["id_slot"]
        assert number not in self.busy, f"slot {number} is used twice"
        self.busy.add(number)
        try:
            await self.flowing.wait()
            yield self.answer(path, body, number)
        finally:
            self.busy.remove(number)

    def answer(self, path, body, number):
        what = path.rpartition("=")[2] if path.startswith("/slots") else "read"
        self.done.append((what, number))
        if what in self.refuses:
            return Reply(400, {"error": {"message": "no"}})
        if what == "read":
            return Reply(200, {"usage": {"prompt_tokens": 128, "prompt_tokens_details": {"cached_tokens": 1}}})
        file = self.folder / body["filename"]
        if what == "save":
            file.touch()
        assert file.exists(), "the file to restore is not there"
        return Reply(200, {"n_saved": 128, "n_written": self.size})

    async def ask(self, words, salt="", **fields):
        """The body as the engine would see it."""
        async with self.slots.lend(PATH, {"prompt": words, **fields}, salt) as loan:
            loan.kept = True
            return loan.body

    def files(self):
        return len(list(self.folder.iterdir()))


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


async def test_the_second_request_saves_the_beginning_and_the_third_restores_it(engine):
    await engine.ask(SHARED + "one")
    await engine.ask(SHARED + "two")
    assert engine.done == [("read", 0), ("save", 0)]
    await engine.ask(SHARED + "three")
    assert engine.done[2:] == [("restore", 1)]
    await asyncio.gather(*(engine.ask(SHARED + word) for word in ("four", "five")))
    assert engine.done[3:] == []  # both slots have it by now


async def test_those_that_come_while_it_is_read_wait_for_it(engine):
    await engine.ask("x" * 4 * BLOCK)
    await engine.ask(SHARED + "one")
    engine.flowing.clear()
    asking = [asyncio.create_task(engine.ask(SHARED + word)) for word in ("two", "three")]
    await asyncio.sleep(0.05)
    assert len(engine.busy) == 1
    engine.flowing.set()
    await asyncio.gather(*asking)
    assert [what for what, _ in engine.done] == ["read", "save", "restore"]


async def test_one_who_leaves_while_it_is_read_lets_the_others_read_it(engine):
    await engine.ask(SHARED + "one")
    engine.flowing.clear()
    first, second = (asyncio.create_task(engine.ask(SHARED + word)) for word in ("two", "three"))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait({first})
    engine.flowing.set()
    await second
    assert not any(slot.busy for slot in engine.slots.slots)
    assert [what for what, _ in engine.done] in (["read", "save"], ["read", "save", "restore"])


async def test_where_the_maker_leaves_one_of_many_waiters_makes_it_for_all(tmp_path):
    engine = Engine(tmp_path, slots=4)
    await engine.ask(SHARED + "one")
    engine.flowing.clear()
    asking = [asyncio.create_task(engine.ask(SHARED + word)) for word in ("two", "three", "four", "five")]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    await asyncio.wait({asking[0]})
    engine.flowing.set()
    bodies = await asyncio.gather(*asking[1:])
    assert [body["prompt"] for body in bodies] == [SHARED + word for word in ("three", "four", "five")]
    assert [what for what, _ in engine.done].count("save") == engine.files() == 1


async def test_a_beginning_larger_than_the_space_is_given_up_once_and_displaces_nothing(tmp_path):
    engine = Engine(tmp_path, slots=5)
    for word in ("one", "two"):
        await engine.ask("x" * 4 * BLOCK + word)
    engine.size = 4 * SIZE
    await engine.ask(SHARED + "one")
    await asyncio.gather(*(engine.ask(f"{SHARED}{i}") for i in range(5)))
    await asyncio.gather(*(engine.ask(f"{SHARED}{i}") for i in range(5, 10)))
    assert [what for what, _ in engine.done].count("save") == 2
    assert engine.files() == len(list(engine.slots.shelf)) == 1


async def test_a_beginning_that_cannot_be_saved_is_not_tried_again(engine):
    engine.refuses.add("save")
    for word in ("one", "two", "three", "four"):
        assert (await engine.ask(SHARED + word))["prompt"] == SHARED + word
    assert [what for what, _ in engine.done] == ["read", "save"]


async def test_a_file_that_cannot_be_restored_is_given_up_and_the_slot_not_trusted(engine):
    await engine.ask(SHARED + "one")
    await engine.ask(SHARED + "two")
    engine.refuses.add("restore")
    body = await engine.ask(SHARED + "three")
    assert body["cache_prompt"] is False
    assert engine.files() == 0


async def test_the_space_is_bounded_and_files_go_with_their_place(engine):
    for start in "abcdef":
        await engine.ask(start * 4 * BLOCK + "one")
        await engine.ask(start * 4 * BLOCK + "two")
    assert engine.slots.counts.saved == 6
    assert engine.files() == 3


async def test_what_another_salt_left_in_a_slot_is_not_used(engine):
    bodies = [await engine.ask("x", salt) for salt in ("a", "a", "b", "b", "a")]
    assert [body["cache_prompt"] for body in bodies] == [False, True, False, True, True]
    assert {body["id_slot"] for body in bodies[2:4]} == {1}


async def left(engine, words, salt):
    """Ask, and leave before the engine has answered what comes before the request itself."""
    engine.flowing.clear()
    asking = asyncio.create_task(engine.ask(words, salt))
    await asyncio.sleep(0.05)
    assert engine.busy
    asking.cancel()
    await asyncio.wait({asking})
    engine.flowing.set()


async def test_after_an_abandoned_restore_no_salt_trusts_the_slot(tmp_path):
    engine = Engine(tmp_path, slots=1)
    for words, salt in ((SHARED + "one", "a"), (SHARED + "two", "a"), ("x", "b")):
        await engine.ask(words, salt)
    await left(engine, SHARED + "three", "a")
    assert (await engine.ask("x", "b"))["cache_prompt"] is False
    await engine.ask("x", "b")
    await left(engine, SHARED + "four", "a")
    assert (await engine.ask("x", "a"))["cache_prompt"] is False


async def test_after_an_abandoned_making_only_the_same_salt_trusts_the_slot(tmp_path):
    engine = Engine(tmp_path, slots=1)
    await engine.ask(SHARED + "one", "a")
    await engine.ask("x", "b")
    await left(engine, SHARED + "two", "a")
    assert (await engine.ask("x", "b"))["cache_prompt"] is False
    await engine.ask(SHARED + "one", "b")
    await left(engine, SHARED + "two", "b")
    assert (await engine.ask("x", "b"))["cache_prompt"] is True


async def test_a_request_that_the_engine_never_took_leaves_the_slot_to_nobody(tmp_path):
    engine = Engine(tmp_path, slots=1)
    await engine.ask("x", "a")
    async with engine.slots.lend(PATH, {"prompt": "x"}, "b"):
        pass
    assert (await engine.ask("x", "b"))["cache_prompt"] is False


async def test_a_slot_keeps_no_request(engine):
    await engine.ask(SHARED + "one", tools=["large"])
    assert engine.slots.slots[0].holds.body == {}
    assert "large" not in str(vars(engine.slots.slots[0].holds))


async def test_a_request_that_wants_no_cache_gets_none(engine):
    await engine.ask("x" * 1000)
    assert (await engine.ask("x" * 1000, cache_prompt=False))["cache_prompt"] is False


async def test_more_requests_than_slots_are_left_to_the_engines_own_queue(engine):
    async with engine.slots.lend(PATH, {"prompt": "a"}, ""), engine.slots.lend(PATH, {"prompt": "b"}, ""):
        assert "id_slot" not in await engine.ask("c")


async def test_a_lost_engine_leaves_no_slot_busy(engine):
    await engine.ask(SHARED + "one")
    engine.lost = True
    with pytest.raises(BackendError):
        await engine.ask(SHARED + "two")
    assert not any(slot.busy for slot in engine.slots.slots)


async def test_switched_off_it_reuses_nothing(tmp_path):
    engine = Engine(tmp_path)
    engine.slots.enabled = False
    bodies = [await engine.ask(SHARED + word) for word in ("one", "one", "two")]
    assert {body["cache_prompt"] for body in bodies} == {False}
    assert engine.done == []


async def test_without_a_folder_slots_are_still_chosen(tmp_path):
    engine = Engine(tmp_path)
    engine.slots.folder = None
    bodies = [await engine.ask(SHARED + word) for word in ("one", "two")]
    assert bodies[0]["id_slot"] == bodies[1]["id_slot"]
    assert engine.done == []


async def test_what_it_had_read_itself_is_counted_apart(engine):
    await engine.ask(SHARED + "one")
    await engine.ask(SHARED + "two")
    assert (engine.slots.counts.read_tokens, engine.slots.counts.read_cached) == (128, 1)


async def test_after_everything_is_forgotten_each_slot_reads_its_next_prompt_whole_once(engine):
    await engine.ask(SHARED + "one")
    engine.slots.forget()
    assert [(await engine.ask(SHARED + "one"))["cache_prompt"] for _ in range(2)] == [False, True]


async def test_what_is_saved_outlives_that(engine):
    await engine.ask(SHARED + "one")
    await engine.ask(SHARED + "two")
    engine.slots.forget()
    await engine.ask(SHARED + "three")
    assert engine.done[-1][0] == "restore"


async def test_what_a_running_request_leaves_is_forgotten_too(engine):
    async with engine.slots.lend(PATH, {"prompt": "a " * 100}, "") as loan:
        loan.kept = True
        engine.slots.forget()
    assert not (await engine.ask("a " * 100))["cache_prompt"]
