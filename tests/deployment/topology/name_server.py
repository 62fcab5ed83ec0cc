"""Host names for a proxy that asks again and again, as Docker's own name server answers them."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_HEADER = struct.Struct("!6H")
_ANSWER = struct.Struct("!3HIH4s")
_ADDRESS, _INTERNET = 1, 1
_IS_ANSWER, _UNKNOWN_NAME = 0x8580, 0x8583
_NAME_OF_QUESTION = 0xC000 | _HEADER.size
_SECONDS_TO_LIVE = 1
_MAX_QUESTION = 512


class NameServer:
    """Answers questions for IPv4 addresses (RFC 1035) on a thread, until it is closed."""

    def __init__(self, address: str, lookup: Callable[[str], list[str]]) -> None:
        self._lookup = lookup
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self.address = f"{address}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):  # not connected, says the system, and wakes the thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(_MAX_QUESTION)
            if not question:
                return
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        number, *_ = _HEADER.unpack_from(question)
        labels, end = _labels(question, _HEADER.size)
        kind = struct.unpack_from("!H", question, end)[0]
        addresses = self._lookup(".".join(labels))
        flags = _IS_ANSWER if addresses else _UNKNOWN_NAME
        records = [_record(address) for address in addresses if kind == _ADDRESS]
        header = _HEADER.pack(number, flags, 1, len(records), 0, 0)
        return b"".join([header, question[_HEADER.size : end + 4], *records])


def _labels(question: bytes, at: int) -> tuple[list[str], int]:
    labels = []
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return labels, at + 1


def _record(address: str) -> bytes:
    packed = socket.inet_aton(address)
    return _ANSWER.pack(
        _NAME_OF_QUESTION, _ADDRESS, _INTERNET, _SECONDS_TO_LIVE, len(packed), packed
    )
