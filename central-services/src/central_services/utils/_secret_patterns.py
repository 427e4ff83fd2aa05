# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The words that make a key sensitive, and what a secret looks like inside free text."""

from __future__ import annotations

import re

from ._lazy_pattern import LazyPattern


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _pairs(pairs: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(pair.split()) for pair in pairs.split(";"))


# A key that has one of these words anywhere is sensitive: db_password, X-Auth-Token, refreshToken.
WORDS = _set(
    "password passwords passwd pwd passphrase passcode passkey secret secrets token tokens "
    "authorization cookie cookies session csrf xsrf credential credentials creds dsn jwt bearer "
    "otp totp ssn iban cvv cvc"
)
# Only as the whole key or its last word: "auth" and "pin" mean other things in front of others.
LAST_WORDS = _set("auth pin")
# Only as the whole key.
WHOLE_KEYS = _set("sid pan pass")
# A word that ends like this is one of the above, run together: dbpassword, accesstoken, setcookie.
ENDINGS = (
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "cookie",
    "cookies",
    "credentials",
)
# Names that ordinary software writes without separators.
JOINED = _set(
    "apikey apikeys apitoken accesskey secretkey privatekey signingkey sessionid sessionkey "
    "sessid phpsessid jsessionid aspsessionid csrfmiddlewaretoken basicauth connectionstring "
    "creditcard cardnumber ccnumber accountnumber authkey"
)
# `<kind> key`: an unqualified "key" is a dictionary key and stays readable.
KEY_KINDS = _set(
    "api private access secret signing encryption decryption master account auth shared storage "
    "license hmac aes fernet ssh client session service"
)
PAIRS = _pairs(
    "card number;card no;card num;credit card;debit card;cc number;account number;"
    "routing number;social security;tax id;security code;pin code;verification code;"
    "reset code;recovery code;recovery codes;backup codes;mfa code;auth code;"
    "authorization code;session id;connection string;pass word;db pass;database pass;"
    "smtp pass;mail pass;user pass;root pass;admin pass;ftp pass;redis pass;pg pass;"
    "mysql pass;postgres pass;proxy pass;seed phrase"
)
# A key that ends like this speaks about a secret and doesn't hold it: token_count, password_policy.
MEASURES = _set(
    "count counts total limit limits length len size bytes type types kind ttl age at duration ms "
    "second seconds minute expiry expires expired expiration lifetime timeout usage used index "
    "valid invalid present missing provided required enabled disabled policy status strength "
    "consent protection verified changed rotated name names version algorithm alg endpoint"
)
# So does one that begins like this: has_password, max_tokens.
QUESTIONS = _set(
    "has have is are use uses require requires needs enable allow allows show max min num total "
    "count remaining"
)
# Language models count in tokens: prompt_tokens, output_tokens.
TOKEN_COUNTS = _set("prompt completion input output cached reasoning used audio text image n")

WORD = LazyPattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")

_SHAPES = (
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"  # JWT and JWE, RFC 7519; cut ones as well
    r"|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|hooks\.slack\.com/services/[\w/]+"
    r"|[sr]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{10,}|sk-[\w-]{16,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}"
    r"|npm_\w{30,}|pypi-[\w-]{16,}|hf_\w{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|shp(?:at|ca|pa|ss)_\w{32,}|do[opr]_v1_\w{40,}|hv[sbr]\.[\w-]{20,}"
    r"|AGE-SECRET-KEY-1\w{20,}|dapi[0-9a-f]{32}"
)
TOKEN_SHAPE = LazyPattern(rf"(?<![A-Za-z0-9])(?:{_SHAPES})")

# What is worth a closer look. Letters only decide whether the real patterns run.
_STEMS = (
    "pass|pwd|secret|token|key|auth|cookie|sess|csrf|xsrf|cred|dsn|jwt|card|account|routing|"
    "social|cvv|cvc|iban|ssn|tax.?id|otp|pin|sid|code|phrase|bearer|basic|sig|ticket|assertion|"
    "saml|connection|cc.?number|%[0-9a-f]{2}|://[^/\\s]*@|-----BEGIN|" + "pan[\"']?\\s*[=:]"
)


def hint(extra_words: frozenset[str]) -> LazyPattern[str]:
    """Return the cheap test that text must pass before the real patterns look at it."""
    extra = "".join(f"|{re.escape(word)}" for word in sorted(extra_words))
    return LazyPattern(rf"(?i:{_STEMS}{extra})|{_SHAPES}")


PEM = LazyPattern(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
    r".*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)",
    re.DOTALL,
)
# "Basic plan" is prose: base64 credentials have a capital, a digit or padding.
SCHEME = LazyPattern(
    r"(?i:\b(bearer|negotiate))(\s+)(?!(?i:token|auth|scheme|realm|error)\b)"
    r"(?!\[)[\w.~+/=-]{3,}"
    r"|(?i:\b(basic|token))(\s+)(?=[a-z+/]*[A-Z0-9+/=])[\w+/-]{6,}={0,2}"
)
HEADER_LINE = LazyPattern(
    r"(?i)(?<![\w-])((?:set-)?cookie|(?:proxy-)?authorization)(\s*[:=]\s*)(?!\[redacted)"
    r"[^\s\"'{}\[\]][^\r\n\"'{}]*"
)
# Everything before the last "@" of the authority; a password may hold ":", "/" is encoded.
USERINFO = LazyPattern(r"(://)[^\s/?#\"'<>@]*(?:@[^\s/?#\"'<>@]*)*@")
# Short or common names that are only secrets in a query string, and only when they are long.
QUERY_SECRET = LazyPattern(
    r"(?i)([?&](?:code|state|key|sig|signature|ticket|assertion|samlresponse|"
    r"x-(?:amz|goog)-(?:signature|credential))=)[^&\s#\"'<>]{8,}"
)
# key, separator, value; the callback asks the key rules, so configured keys hold here too.
PAIR = LazyPattern(
    r"(?<![A-Za-z0-9_%-])((?:[A-Za-z]{2,20} )?)(-{0,2}[A-Za-z0-9_.%\[\]-]{2,64})"
    r"(\\{0,3}[\"']?\s{0,2}(?:=>|:=|={1,2}|:|%3[Dd]|%3[Aa])\s{0,2})"
    r"(\\\"(?:[^\"\\]|\\\\(?:\\\")?)*|\\{2,3}\"[^\"]*|\"(?:[^\"\\]|\\.)*|b?'(?:[^'\\]|\\.)*|[^\s&;\"'<>]+)"
)
FLAG = LazyPattern(r"(?<!\S)(--?[A-Za-z][\w-]{2,40})(\s+)(?!-)([^\s\"']+|\"[^\"]*|'[^']*)")
# Raw headers, printed: (b'authorization', b'...').
TUPLE = LazyPattern(
    r"(b?[\"'])([A-Za-z0-9_.-]{2,64})([\"'],\s?b?[\"'])((?:[^\"'\\]|\\.)*)(?=[\"'])"
)
