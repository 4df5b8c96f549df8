"""Make the text of a server or a file safe to print: it cannot steer the terminal."""

import re

LONGEST = 300  # characters of a server's message in an error of ours
# Control characters, those that turn the direction of text (Unicode TR 9), line and paragraph
# separators, invisible tags, and lone surrogates, which no stream can encode. The joiners U+200C
# and U+200D stay: words of several languages need them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def printable(text: str, longest: int | None = LONGEST) -> str:
    """Return `text` in one line, with escapes such as \\x1b for unsafe characters.

    It is cut to `longest` characters; None keeps them all.
    """
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]}..."
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:04x}}}"
