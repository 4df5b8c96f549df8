"""Is this a whole picture that the server can decode? Told from its bytes, without decoding.

A server joins requests to batches, and a picture that does not decode fails all that ride with it.
"""

PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PADDING = 1 << 16  # bytes that cameras append after the end of a JPEG


def check_picture(data: bytes) -> None:
    """Raise ValueError unless `data` starts and ends as a JPEG or a PNG does."""
    if data.startswith(PNG):
        if PNG_END not in data[-PADDING:]:
            raise ValueError("a PNG that is cut short")
    elif data.startswith(JPEG):
        if JPEG_END not in data[-PADDING:]:
            raise ValueError("a JPEG that is cut short")
    else:
        raise ValueError("neither a JPEG nor a PNG, which is what the server decodes")
