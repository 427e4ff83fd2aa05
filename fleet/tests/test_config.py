"""fleet.toml is strict, and says what is wrong."""

from pathlib import Path

import pytest
from slipway_fleet.answers import normalised_url
from slipway_fleet.config import load
from slipway_fleet.errors import ConfigError


def problem(tmp_path: Path, text: str) -> str:
    """Return what is said about a fleet.toml."""
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fleet]\nwokers = 2\n", "unknown key fleet.wokers; did you mean workers?"),
        ("[[source]]\ntype = 'dir'\n", "source[1].path is missing"),
        ("[[source]]\ntype = 'svn'\n", "source[1]"),
        ("[[source]]\ntype = 'github-org'\norganization = 'a/b'\n", "source[1].organization"),
        ("[[template]]\nurl = 'ext::sh -c x'\n", "template[1].url: not an address"),
        ("[[template]]\nurl = 'https://me:pw@example.com/x'\n", "name a variable in token_env"),
        ("[campaign]\nrequests_per_minute = 0\n", "campaign.requests_per_minute"),
        ("root = '/'\n", "unknown key 'root'"),
        ("[fleet\n", "not valid TOML"),
    ],
)
def test_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, text)


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="doctor --example"):
        load(tmp_path / "fleet.toml")


@pytest.mark.parametrize(
    "recorded",
    [
        "https://github.com/acme/slipway.git",
        "https://github.com/acme/slipway/",
        "git+https://github.com/acme/slipway.git",
        "https://token@github.com/acme/slipway",
        "git@github.com:acme/slipway.git",
        "ssh://git@github.com/acme/slipway.git",
        "gh:acme/slipway",
    ],
)
def test_spellings_of_an_address_are_one_template(recorded: str) -> None:
    assert normalised_url(recorded) == "https://github.com/acme/slipway"
