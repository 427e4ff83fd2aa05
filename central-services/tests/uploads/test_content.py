# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The real type of a file, whatever it is called."""

from __future__ import annotations

import io
import zipfile

import pytest

from central_services.uploads.content import TextProbe, media_type_of


def type_of(content: bytes) -> str:
    """Return the type of some content."""
    probe = TextProbe()
    for start in range(0, len(content), 3):
        probe.feed(content[start : start + 3])
    probe.feed(b"", final=True)
    return media_type_of(io.BytesIO(content), is_text=probe.is_text)


def zipped(*names: str, mimetype: str = "") -> bytes:
    """Return an archive with some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument."


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "inode/x-empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg"),
        (b"GIF89a\x01\x00\x01\x00", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"%PDF-1.7\nall of it text\n", "application/pdf"),
        (b"\x1f\x8b\x08\x00\x00", "application/gzip"),
        (b"MZ\x90\x00" + bytes(60), "application/vnd.microsoft.portable-executable"),
        ("Grüße, Zeile\n".encode(), "text/plain"),
        (b"a,b\n1,2\n", "text/plain"),
        (b'{"a": 1}', "text/plain"),
        (b"BM is a company, MZ is not a program", "text/plain"),
        (b"if a < b and c > d: <p>", "text/plain"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><p>", "text/html"),
        (b"<script>alert(1)</script>", "text/html"),
        (b"<!-- x --><img src=x onerror=alert(1)>", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg >", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<a/>", "application/xml"),
        (b"<p>\x00</p>", "text/html"),
        (b"#!/bin/sh\n", "text/x-script"),
        (b"\x00\x01\x02\x03", "application/octet-stream"),
        ("half a character ü".encode()[:-1] + b" ", "application/octet-stream"),
        (zipped("a.txt"), "application/zip"),
        (zipped("[Content_Types].xml", "word/document.xml"), OFFICE + "wordprocessingml.document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), OFFICE + "spreadsheetml.sheet"),
        (
            zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
            "application/vnd.ms-word.document.macroenabled.12",
        ),
        (zipped("META-INF/MANIFEST.MF", "A.class"), "application/java-archive"),
        (
            zipped("content.xml", mimetype="application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        ),
        (zipped("x", mimetype="image/png\r\nX"), "application/zip"),
        (b"PK\x03\x04 broken \x00", "application/zip"),
    ],
)
def test_type_is_found_from_the_content(content: bytes, media_type: str) -> None:
    assert type_of(content) == media_type
