"""The folder of a machine."""

import socket
import stat
from pathlib import Path

import pytest

from central_services.kit.engines import home as module
from central_services.kit.engines.errors import EngineError
from central_services.kit.engines.files import write_secret
from central_services.kit.engines.home import Home, free_port, is_free


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(module, "engine_user", lambda: None)
    made = Home(tmp_path / "home")
    made.make()
    return made


def test_password_is_made_once_and_kept_for_this_user_alone(home: Home) -> None:
    password = home.credentials()["valkey"]
    assert len(password) >= 32
    assert home.credentials()["valkey"] == password
    assert home.credentials()["nats"] != password
    assert stat.S_IMODE((home.path / "credentials.json").stat().st_mode) == 0o600


def test_port_stays_once_it_was_chosen(home: Home) -> None:
    preferred = free_port()
    assert home.port("valkey", preferred, free=False) == preferred
    with socket.create_server(("127.0.0.1", preferred)):
        assert not is_free(preferred)
        assert home.port("valkey", preferred, free=False) == preferred
        other = home.port("nats", preferred, free=False)
    assert other != preferred
    assert home.ports() == {"valkey": preferred, "nats": other}


def test_two_never_get_the_same_usual_port(home: Home) -> None:
    preferred = free_port()
    assert home.port("a", preferred, free=False) != home.port("b", preferred, free=False)


def test_folder_is_nobody_elses(home: Home) -> None:
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_root_is_told_which_folder_its_engines_can_not_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "engine_user", lambda: 65_534)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EngineError, match=r"can't enter .*CENTRAL_SERVICES_ENGINES__HOME"):
        Home(closed / "home").make()


def test_clear_keeps_the_tools_only(home: Home) -> None:
    (home.path / "tools").mkdir()
    assert home.credentials()["valkey"]
    home.clear()
    assert [path.name for path in home.path.iterdir()] == ["tools"]


def test_secret_is_never_readable_by_others_and_never_half(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old", "utf-8")
    path.chmod(0o644)
    write_secret(path, "new")
    assert path.read_text("utf-8") == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]
