# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One set of rules for what must not leave the process; logs and Sentry both apply it.

Two things make a value secret: the name it goes by, and its own shape.

* A **name** is split into words (`db_password`, `X-Api-Key`, `refreshToken`), and the words decide.
  So "monkey", "author", "tokenizer", "keyboard" and "passenger" stay readable. A name that ends in
  a measure or a statement (`token_count`, `password_policy`, `cookie_name`) or begins with a
  question (`has_secret`, `max_tokens`) speaks about a secret and does not hold it: it stays, too.
* A **shape** is found in any text: `Bearer ...` and `Basic ...`, JSON Web Tokens, PEM private keys,
  the prefixes of well-known tokens, the user part of URLs, `password=...` and `token: ...` pairs
  (the rules for names decide which), header lines, query parameters.

What it can't know: a secret with an ordinary name and an ordinary shape, and the second word of an
unquoted passphrase. Give the first a name in `redact_keys`; don't log the second.

Nothing that goes in is changed; what comes out is made of what JSON has, is bounded in depth and
size, and is safe for cycles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final, NamedTuple, cast
from urllib.parse import unquote_plus

from . import _secret_patterns as patterns
from ._lazy_pattern import LazyPattern
from ._plain import Limits, Walk

REDACTED: Final = "[redacted]"
CLIPPED: Final = "...[clipped]"

_CACHE_SIZE = 4096
_KEY_LENGTH = 128
_SCALARS = frozenset((int, float, bool, type(None)))


class _Custom(NamedTuple):
    """A configured key, as words and run together."""

    words: tuple[str, ...]
    joined: str


def _words(key: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in patterns.WORD.compiled.findall(key))


def _word_is_sensitive(word: str) -> bool:
    return word in patterns.WORDS or word in patterns.JOINED or word.endswith(patterns.ENDINGS)


def _pair_is_sensitive(first: str, second: str) -> bool:
    if second in {"key", "keys"}:
        return first in patterns.KEY_KINDS
    return (first, second) in patterns.PAIRS


def _speaks_about(words: tuple[str, ...]) -> bool:
    """Whether the words name a fact about a secret: a count, a flag, a policy."""
    if len(words) < 2:
        return False
    if words[-1] in patterns.MEASURES or words[0] in patterns.QUESTIONS:
        return True
    return words[-1] == "tokens" and any(word in patterns.TOKEN_COUNTS for word in words)


def _words_are_sensitive(words: tuple[str, ...]) -> bool:
    if not words or _speaks_about(words):
        return False
    if len(words) == 1 and words[0] in patterns.WHOLE_KEYS:
        return True
    if words[-1] in patterns.LAST_WORDS or any(map(_word_is_sensitive, words)):
        return True
    return (
        any(_pair_is_sensitive(a, b) for a, b in pairwise(words))
        or "".join(words) in patterns.JOINED
    )


class Redactor:
    """The rules, with a project's own keys added; safe to share between threads.

    Args:
        extra_keys: More names whose values never leave, in any case and with any separators;
            `employee_id` also covers `employeeId`, `X-Employee-Id` and `old_employee_id`.
        limits: Depth, size and length of what comes out.
    """

    def __init__(self, extra_keys: Iterable[str] = (), *, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._custom = [_Custom(_words(key), "".join(_words(key))) for key in extra_keys]
        self._custom = [custom for custom in self._custom if custom.words]
        self._hint = patterns.hint(frozenset(c.words[0] for c in self._custom))
        # Names repeat and there are few; names that a client makes up must not fill the memory.
        self._verdicts: dict[str, bool] = {}

    def is_sensitive(self, key: object) -> bool:
        """Return whether a value that goes by this name must not leave the process."""
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        elif not isinstance(key, str):
            return False
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._decide(key)
            if len(key) <= _KEY_LENGTH:
                if len(self._verdicts) >= _CACHE_SIZE:
                    self._verdicts.clear()
                self._verdicts[key] = verdict
        return verdict

    def _decide(self, key: str) -> bool:
        words = _words(unquote_plus(key) if "%" in key else key)
        if _words_are_sensitive(words):
            return True
        joined = "".join(words)
        return any(
            custom.joined == joined
            or any(words[at : at + len(custom.words)] == custom.words for at in range(len(words)))
            for custom in self._custom
        )

    def update(self, target: dict[str, object], fields: Mapping[str, object]) -> None:
        """Add fields to a document, each made safe. This is the path of every log event."""
        verdicts = self._verdicts
        for key, value in fields.items():
            verdict = verdicts.get(key)
            if verdict is None:
                verdict = self.is_sensitive(key)
                if type(key) is not str or len(key) > _KEY_LENGTH:
                    safe = self.hide(value) if verdict else self.value(value)
                    target[self.text(str(key))[:_KEY_LENGTH]] = safe
                    continue
            if verdict:
                target[key] = self.hide(value)
            elif type(value) is str:
                size = len(value)
                # Under 6 characters there is no room for a secret with its sign; up to 15 it
                # takes one of three characters to be one.
                if size > 15 or (size > 5 and (":" in value or "=" in value or " " in value)):
                    target[key] = self.text(value)
                else:
                    target[key] = value
            elif type(value) in _SCALARS:
                target[key] = value
            else:
                target[key] = self.value(value)

    def hide(self, value: object) -> object:
        """Return what stands for a secret; that there is none is worth knowing and stays."""
        return value if value is None or value == "" else REDACTED

    def text(self, text: str) -> str:
        """Return text with the secrets in it replaced, clipped to the longest value allowed."""
        most = self.limits.chars
        # A secret that begins before the clip is found with what follows it; 256 is enough for
        # the patterns to recognise one, and a key or token that is cut is still one.
        window = text if len(text) <= most else text[: most + 256]
        if ":" in window or "=" in window or " " in window or "," in window:
            if self._hint.compiled.search(window):
                window = self._scrub(window)
        elif len(window) > 15 and patterns.TOKEN_SHAPE.compiled.search(window):
            window = patterns.TOKEN_SHAPE.compiled.sub(REDACTED, window)
        if len(text) > most:
            return window[:most] + CLIPPED
        return window

    def _scrub(self, text: str) -> str:
        if "-----BEGIN" in text:
            text = patterns.PEM.compiled.sub(REDACTED, text)
        text = patterns.HEADER_LINE.compiled.sub(_keep_two, text)
        text = patterns.SCHEME.compiled.sub(_scheme, text)
        if "@" in text:
            text = patterns.USERINFO.compiled.sub(rf"\1{REDACTED}@", text)
        text = patterns.TOKEN_SHAPE.compiled.sub(REDACTED, text)
        if "=" in text:
            text = patterns.QUERY_SECRET.compiled.sub(rf"\1{REDACTED}", text)
        if "', " in text or '", ' in text:
            text = patterns.TUPLE.compiled.sub(self._tuple, text)
        if "-" in text:
            text = patterns.FLAG.compiled.sub(self._flag, text)
        return self._pairs(text)

    def _pairs(self, text: str) -> str:
        parts: list[str] = []
        done = at = 0
        while match := patterns.PAIR.compiled.search(text, at):
            safe = self._pair(match)
            if safe is None:
                # The value may hold pairs of its own, as the query of a URL does.
                at = match.start(4)
            else:
                parts += (text[done : match.start()], safe)
                done = at = match.end()
        return "".join(parts) + text[done:] if parts else text

    def value(self, value: object) -> object:
        """Return any object as strings, numbers, lists and dicts without secrets."""
        return Walk(self).plain(value)

    def url(self, url: str) -> str:
        """Return a URL without its user part, and with secret query parameters replaced."""
        base, mark, query = url.partition("?")
        query, hash_mark, fragment = query.partition("#")
        return self.text(base) + mark + self.query(query) + hash_mark + self.text(fragment)

    def query(self, query: str) -> str:
        """Return a query string (no leading `?`) or form body with secret values replaced."""
        if not query:
            return query
        # "?" stands in front so that the text rules see each name where a query has it.
        parts = [self._parameter(part) for part in query[: self.limits.chars * 2].split("&")]
        return self.text("?" + "&".join(parts))[1:]

    def _parameter(self, part: str) -> str:
        name, equals, content = part.partition("=")
        if content and self.is_sensitive(name):
            return f"{name}={REDACTED}"
        return name + equals + content

    def headers(
        self, headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
    ) -> dict[str, str]:
        """Return headers by lower-case name; repeated ones are joined by a comma.

        Takes a mapping or ASGI's list of byte pairs.
        """
        items = headers.items() if isinstance(headers, Mapping) else headers
        pairs = cast("Iterable[tuple[str | bytes, str | bytes]]", items)
        result: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name = (raw_name if isinstance(raw_name, str) else raw_name.decode("latin-1")).lower()
            content = raw_value if isinstance(raw_value, str) else raw_value.decode("latin-1")
            safe = REDACTED if self.is_sensitive(name) else self.text(content)
            result[name] = f"{result[name]}, {safe}" if name in result else safe
        return result

    def _pair(self, match: re.Match[str]) -> str | None:
        first, key, separator, content = match.groups()
        if not self.is_sensitive(key):
            # "API key: ..." is a key of two words; "seen max_tokens=..." is not one of three.
            phrase = f"{first.strip()}_{key}" if first and key.isalpha() else ""
            if not phrase or self.is_sensitive(first) or not self.is_sensitive(phrase):
                return None
        quote = _QUOTE.compiled.match(content)
        opening = quote[0] if quote else ""
        tail = "" if quote else content[len(content.rstrip(",.)]}")) :]
        held = content[len(opening) :]
        if not held or held.startswith(REDACTED) or held.rstrip(",.)]}") in _NOTHING:
            return None
        return f"{first}{key}{separator}{opening}{REDACTED}{tail}"

    def _flag(self, match: re.Match[str]) -> str:
        flag, space, _content = match.groups()
        return f"{flag}{space}{REDACTED}" if self.is_sensitive(flag) else match[0]

    def _tuple(self, match: re.Match[str]) -> str:
        opening, key, between, _content = match.groups()
        return f"{opening}{key}{between}{REDACTED}" if self.is_sensitive(key) else match[0]


_QUOTE = LazyPattern(r"\\{0,3}\"|b?'")
_NOTHING = frozenset(("", "None", "null", "true", "false", "True", "False"))


def _keep_two(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{REDACTED}"


def _scheme(match: re.Match[str]) -> str:
    return f"{match[1] or match[3]}{match[2] or match[4]}{REDACTED}"


DEFAULT_REDACTOR: Final = Redactor()


def redact(value: object, keys: Iterable[str] = ()) -> object:
    """Return any object as strings, numbers, lists and dicts without secrets.

    Args:
        value: Mappings, sequences, dataclasses, pydantic models, in any nesting.
        keys: More sensitive names; build a `Redactor` when they are used more than once.
    """
    extra = tuple(keys)
    return (Redactor(extra) if extra else DEFAULT_REDACTOR).value(value)


def redact_text(text: str) -> str:
    """Return text with the secrets in it replaced."""
    return DEFAULT_REDACTOR.text(text)


def redact_url(url: str) -> str:
    """Return a URL without its user part, and with secret query parameters replaced."""
    return DEFAULT_REDACTOR.url(url)


def redact_query(query: str) -> str:
    """Return a query string (no leading `?`) with secret values replaced."""
    return DEFAULT_REDACTOR.query(query)


def redact_headers(
    headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]],
) -> dict[str, str]:
    """Return headers by lower-case name, secret ones replaced."""
    return DEFAULT_REDACTOR.headers(headers)
