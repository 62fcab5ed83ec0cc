"""How a text is encoded, from its bytes."""

import codecs
import re
from typing import BinaryIO

_BLOCK = 64 * 1024
_HANGUL = re.compile("[가-힣]")


def encoding_of(file: BinaryIO) -> str:
    """`utf-16` by its byte order mark, `utf-8-sig` if it can be, else `cp949`: Excel in Korean.

    Raises UnicodeError where Hangul in UTF-8 comes before what is not UTF-8. Such a file is
    damaged or put together of two; as CP949 half of it would be read, and wrongly.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, has_hangul = 0, False
    block = file.read(_BLOCK)
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    while True:
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode()
            if has_hangul or _HANGUL.search(before):
                line = lines + before.count("\n") + 1
                raise UnicodeError(f"line {line} is not UTF-8, but those before it are") from None
            return "cp949"
        if not block:
            return "utf-8-sig"
        lines += text.count("\n")
        has_hangul = has_hangul or bool(not text.isascii() and _HANGUL.search(text))
        block = file.read(_BLOCK)
