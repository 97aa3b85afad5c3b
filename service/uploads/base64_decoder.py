"""Base64 that arrives in pieces: of RFC 4648, of URLs (- and _), in lines, with or without =."""

from __future__ import annotations

from binascii import a2b_base64

_SIGNS = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


class Base64Decoder:
    """Decodes one text."""

    def __init__(self) -> None:
        self._rest = b""
        self._padded = False

    def decode(self, text: bytes) -> bytes:
        """Return the bytes that are complete with ``text``.

        Raises:
            ValueError: it is not base64.
        """
        text = self._rest + text.translate(_SIGNS, _SPACE)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return self._decoded(text[:whole])

    def finish(self) -> bytes:
        """Return the last bytes.

        Raises:
            ValueError: the text ended in the middle of a byte.
        """
        rest, self._rest = self._rest, b""
        return self._decoded(rest + b"=" * (-len(rest) % 4))

    def _decoded(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._padded:
            raise ValueError("base64 goes on behind its end")
        self._padded = text.endswith(b"=")
        return a2b_base64(text, strict_mode=True)
