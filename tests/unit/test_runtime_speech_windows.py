"""What Whisper's tokens of a window mean. Tokens from 1000 on are marks, 0.02 s apart."""

import pytest

from inferfleet_runtime.hosts.speech.windows import Part, good, parts, silent

MARK = 1000
WINDOW = 30.0


def mark(seconds):
    return MARK + round(seconds / 0.02)


def test_text_without_marks_is_one_part_of_the_whole_window():
    assert parts([5, 6], MARK, WINDOW) == ((Part(0.0, WINDOW, (5, 6)),), WINDOW)


def test_one_whole_part_ends_where_it_is_marked_and_the_rest_is_silence():
    tokens = [mark(1), 5, 6, mark(4)]
    assert parts(tokens, MARK, WINDOW) == ((Part(1.0, 4.0, (5, 6)),), WINDOW)


def test_a_part_that_is_cut_off_is_heard_again_from_where_the_last_whole_one_ended():
    tokens = [mark(0), 5, mark(4), mark(5), 6, mark(20), mark(21), 7, 8]
    found, advance = parts(tokens, MARK, WINDOW)
    assert found == (Part(0.0, 4.0, (5,)), Part(5.0, 20.0, (6,)))
    assert advance == 20.0


def test_a_last_part_that_is_whole_ends_the_window():
    tokens = [mark(0), 5, mark(4), mark(5), 6, mark(20)]
    assert parts(tokens, MARK, WINDOW) == ((Part(0.0, 4.0, (5,)), Part(5.0, 20.0, (6,))), WINDOW)


def test_no_part_ends_after_the_sound():
    found, advance = parts([mark(0), 5, mark(28)], MARK, 3.5)
    assert (found, advance) == ((Part(0.0, 3.5, (5,)),), 3.5)


def test_a_model_that_ends_at_once_still_goes_on():
    _, advance = parts([mark(0), mark(0), 5, 6], MARK, WINDOW)
    assert advance == 1.0


@pytest.mark.parametrize("tokens", [[], [mark(0)], [mark(3), mark(3)], [mark(3), mark(3), mark(3)]])
def test_marks_alone_are_no_error_and_go_on(tokens):
    found, advance = parts(tokens, MARK, WINDOW)
    assert advance > 0
    assert not any(part.tokens for part in found)


def test_a_text_that_repeats_itself_or_is_unsure_is_tried_again_but_not_silence():
    assert good("The quick brown fox jumps over the lazy dog.", -0.3, 0.0)
    assert not good("so so so so so so so so so so so so so so so so so so so so", -0.3, 0.0)
    assert not good("Thank you.", -1.5, 0.1)
    assert good("Thank you.", -1.5, 0.9)
    assert silent(0.9, -1.5)
    assert not silent(0.9, -0.5)
