"""How large the file of one picture may be."""

from __future__ import annotations

from lfsgan_cli.pictures.errors import BadPictureError

MAX_FILE_BYTES = 2**30  # no picture that Pillow may open is larger


def refuse_huge(size: int) -> None:
    """BadPictureError for a file of so many bytes that no picture has them."""
    if size > MAX_FILE_BYTES:
        raise BadPictureError(f"{size:,} bytes, more than the {MAX_FILE_BYTES:,} that any picture here may take")
