"""Texts from elsewhere never steer a terminal, nor fill it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.printable import LONGEST, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such model", "no such model"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r", "a\\x0ab\\x0d"),
        ("\u202eevil", "\\u{202e}evil"),
        ("\ud800", "\\u{d800}"),
        ("\U000e0041", "\\u{e0041}"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),  # a joiner, which words of Persian need
    ],
)
def test_what_moves_a_cursor_or_turns_a_line_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


def test_a_long_text_is_cut_unless_it_is_wanted_whole():
    assert printable("x" * 1000) == "x" * LONGEST + "..."
    assert printable("x" * 1000, longest=None) == "x" * 1000


@given(st.text())
def test_whatever_is_printed_is_one_line_that_any_stream_of_unicode_encodes(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    shown.encode()
