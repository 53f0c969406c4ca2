import pytest

from inferfleet_runtime.files import read_note, write_note


def test_a_note_comes_back_as_written_and_leaves_nothing_beside_it(tmp_path):
    note = tmp_path / "m.json"
    write_note(note, {"old": 1})
    write_note(note, {"uri": "x", "bytes": 3})
    assert read_note(note) == {"uri": "x", "bytes": 3}
    assert list(tmp_path.iterdir()) == [note]


def test_a_note_that_was_there_survives_one_that_cannot_be_written(tmp_path):
    note = tmp_path / "m.json"
    write_note(note, {"old": 1})
    with pytest.raises(TypeError):
        write_note(note, {"new": object()})
    assert read_note(note) == {"old": 1}


@pytest.mark.parametrize("content", [b"", b'{"uri"', b"[]", b"\xff\xff", b"\0" * 64])
def test_a_damaged_note_is_none(tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    assert read_note(tmp_path / "m.json") is None


def test_a_missing_note_is_none(tmp_path):
    assert read_note(tmp_path / "m.json") is None
