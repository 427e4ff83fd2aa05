# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a file really is: from its bytes, whatever it is called.

Importing this module imports puremagic and its table of signatures.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from typing import BinaryIO

import puremagic

__all__ = ["TextProbe", "media_type_of", "zip_media_type"]

_HEAD = 4_096
# Names that are in use for the same thing.
_ALIASES = {
    "application/x-gzip": "application/gzip",
    "application/x-zip-compressed": "application/zip",
    "application/x-rar-compressed": "application/vnd.rar",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "text/xml": "application/xml",
}
# Files of these types may be text from end to end.
_WRITTEN = frozenset(
    [
        "application/pdf",
        "application/postscript",
        "application/rtf",
        "application/xml",
        "image/svg+xml",
        "text/html",
        "text/rtf",
    ]
)
_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
# What makes a browser take text for a page (WHATWG MIME Sniffing, 7.1), anywhere near the start.
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|script|iframe|body|style|title|h1|div|font|table|a|br|p|img"
    rb"|object|embed|form|meta|link|base)[\s/>]",
    re.IGNORECASE,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_OPEN_DOCUMENT = re.compile(rb"application/[a-z0-9.+-]{1,100}\Z")
_OFFICE = {
    "word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_MACROS = {
    "word/": "application/vnd.ms-word.document.macroenabled.12",
    "xl/": "application/vnd.ms-excel.sheet.macroenabled.12",
    "ppt/": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
}


class TextProbe:
    """Finds out, chunk by chunk, whether a file is UTF-8 text without control characters."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_text = True

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Take the next bytes."""
        if not self._is_text:
            return
        try:
            self._is_text = not _CONTROLS.search(self._decoder.decode(chunk, final))
        except UnicodeDecodeError:
            self._is_text = False

    @property
    def is_text(self) -> bool:
        """Whether all of it so far was text."""
        return self._is_text


def media_type_of(file: BinaryIO, *, is_text: bool) -> str:
    """Return the media type of a file.

    Text that nothing marks (CSV, JSON, Markdown) is text/plain: it has no signature, and a name
    proves nothing.

    Args:
        file: The file; its position does not matter, and changes.
        is_text: What `TextProbe` found.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if not head:
        return "inode/x-empty"
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    marked = _markup(start)
    if is_text:
        if start.startswith(b"#!"):
            return "text/x-script"
        candidates = [found for found in _signatures(file) if found in _WRITTEN]
        return marked or next(iter(candidates), "text/plain")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return zip_media_type(file)
    return next(iter(_signatures(file)), marked or "application/octet-stream")


def zip_media_type(file: BinaryIO) -> str:
    """Return the media type of a ZIP archive: that of the document it is, if it is one."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                declared = archive.read("mimetype").strip()
                if _OPEN_DOCUMENT.match(declared):
                    return declared.decode()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "application/zip"
    if "[Content_Types].xml" in names:
        macros = any(name.lower().endswith("vbaproject.bin") for name in names)
        for folder, media_type in (_MACROS if macros else _OFFICE).items():
            if any(name.startswith(folder) for name in names):
                return media_type
    if "META-INF/MANIFEST.MF" in names:
        return "application/java-archive"
    return "application/zip"


def _markup(start: bytes) -> str:
    """Return the type of text that a browser would run, or an empty string."""
    if _SVG.search(start):
        return "image/svg+xml"
    if start.startswith(b"<?xml"):
        return "application/xml"
    return "text/html" if start.startswith(b"<") and _HTML.search(start[:1_024]) else ""


def _signatures(file: BinaryIO) -> list[str]:
    """Return the media types whose signature a file has, the likeliest first."""
    file.seek(0)
    try:
        found = puremagic.magic_stream(file)
    except (puremagic.PureError, ValueError):
        return []
    types = (match.mime_type.lower() for match in found if match.mime_type)
    return list(dict.fromkeys(_ALIASES.get(one, one) for one in types))
