"""Git without trust in the repository it reads.

A repository can name programs in its own configuration (hooks, filters, fsmonitor, upload-pack,
ssh commands, merge drivers). None of it is ever read here: git runs in an empty repository of ours
(a *store*) and is only lent the other's object folder. References are read as files.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import FleetError, ProjectError

MINIMUM = (2, 38)
"""The first git with `merge-tree --write-tree`."""

TIMEOUT_S = 120.0
PROTOCOLS = "file:https:ssh"
HASH = re.compile(r"[0-9a-f]{40}")

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "merge.directoryRenames": "false",
    "protocol.ext.allow": "never",
    "safe.directory": "*",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.credentialsInUrl": "die",
}
_OPTIONS = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
_KEPT = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "SYSTEMROOT", "GIT_SSL_CAINFO", "SSL_CERT_FILE")


class GitError(FleetError):
    """Raised when git refuses; the text is git's own."""

    def __init__(self, arguments: Iterable[str], code: int, message: str) -> None:
        """Keep what was asked and answered."""
        self.code = code
        self.message = message.strip()
        super().__init__(f"git {' '.join(arguments)}: {self.message or f'exit code {code}'}")


def environment(**more: str) -> dict[str, str]:
    """Return what git may see of the environment: nothing that names a program or a configuration."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    fixed = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ASKPASS": "true",
        "LC_ALL": "C",
    }
    return kept | fixed | more


def quoted_alternates(folders: Iterable[Path]) -> str:
    """Return the value of `GIT_ALTERNATE_OBJECT_DIRECTORIES`, with odd names quoted as git reads them."""
    escaped = (str(folder).replace("\\", "\\\\").replace('"', '\\"') for folder in folders)
    return os.pathsep.join(f'"{name}"' for name in escaped)


@dataclass(frozen=True)
class Store:
    """A bare repository of ours in which git runs.

    Attributes:
        path: Its folder.
        alternates: Object folders of others that git may read beside its own.
    """

    path: Path
    alternates: tuple[Path, ...] = ()

    @classmethod
    def create(cls, path: Path) -> Store:
        """Return the store in a folder, made when it is not there; safe against a second process."""
        if not (path / "HEAD").is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
            for folder in ("objects/info", "objects/pack", "refs/heads", "info"):
                (fresh / folder).mkdir(parents=True)
            (fresh / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            (fresh / "HEAD").write_text("ref: refs/heads/none\n")
            try:
                fresh.rename(path)
            except OSError:  # another process was first
                if not (path / "HEAD").is_file():
                    raise
        return cls(path)

    def reading(self, *folders: Path) -> Store:
        """Return this store with the object folders of others lent to it."""
        return Store(self.path, (*self.alternates, *folders))

    @property
    def objects(self) -> Path:
        """Return the folder of its own objects."""
        return self.path / "objects"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment in which git works on this store."""
        lent = quoted_alternates(self.alternates)
        return environment(GIT_DIR=str(self.path), GIT_ALTERNATE_OBJECT_DIRECTORIES=lent, **more)

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        ok: tuple[int, ...] = (0,),
        timeout: float = TIMEOUT_S,
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git in this store and return what it prints.

        Raises:
            GitError: The exit code is not in `ok`, or it took longer than `timeout` seconds.
        """
        try:
            done = subprocess.run(
                ["git", *_OPTIONS, *arguments],
                cwd=self.path,
                env=self.environment(**more or {}),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(arguments, -1, f"still running after {timeout:.0f} s") from error
        except FileNotFoundError as error:
            raise FleetError("git is not installed") from error
        if done.returncode not in ok:
            raise GitError(arguments, done.returncode, done.stderr.decode(errors="replace"))
        return done.stdout

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start git in this store with pipes to talk through."""
        return subprocess.Popen(
            ["git", *_OPTIONS, *arguments],
            cwd=self.path,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


@dataclass(frozen=True)
class Repository:
    """Where the parts of somebody's repository lie; nothing of its configuration is read."""

    git_dir: Path
    common: Path

    @classmethod
    def find(cls, path: Path) -> Repository:
        """Return the repository in a folder: bare, a working clone, or a linked work tree.

        Raises:
            ProjectError: There is none.
        """
        inner = path / ".git"
        if (path / "HEAD").is_file() and (path / "objects").is_dir():
            git_dir = path
        elif inner.is_dir():
            git_dir = inner
        else:
            text = read_small(inner).decode("utf-8", "surrogateescape") if inner.is_file() else ""
            if not text.startswith("gitdir: "):
                raise ProjectError(f"{path} is not a git repository")
            git_dir = path / text.removeprefix("gitdir: ").strip()
        pointer = git_dir / "commondir"
        common = git_dir
        if pointer.is_file():
            common = git_dir / read_small(pointer).decode("utf-8", "surrogateescape").strip()
        if not (common / "objects").is_dir():
            raise ProjectError(f"{path} is not a git repository: it has no objects")
        return cls(git_dir, common)

    @property
    def objects(self) -> Path:
        """Return the folder of its objects."""
        return (self.common / "objects").resolve()

    def head(self) -> str:
        """Return the commit that HEAD names."""
        return self.resolve("HEAD")

    def branch(self) -> str:
        """Return the name of the branch that HEAD is on; empty when it is on none."""
        text = self._read_ref("HEAD")
        return text.removeprefix("ref: refs/heads/") if text.startswith("ref: refs/heads/") else ""

    def resolve(self, ref: str) -> str:
        """Return the commit a reference names, following at most five symbolic ones.

        Raises:
            ProjectError: It names none, which is so in an empty repository.
        """
        name = ref
        for _ in range(5):
            text = self._read_ref(name)
            if not text.startswith("ref: "):
                break
            name = text.removeprefix("ref: ").strip()
        if HASH.fullmatch(text):
            return text
        if len(text) == 64:
            raise ProjectError("its objects are SHA-256, which is not supported")
        raise ProjectError(f"{ref} names no commit: is the repository empty?")

    def _read_ref(self, name: str) -> str:
        if name != "HEAD" and (not name.startswith("refs/") or ".." in name or "\0" in name):
            raise ProjectError(f"{name!r} is no reference")
        for folder in (self.git_dir, self.common):
            path = folder / name
            if path.is_file():
                return read_small(path).decode("ascii", "replace").strip()
        packed = self.common / "packed-refs"
        if packed.is_file():
            for line in read_small(packed, 50_000_000).decode("utf-8", "replace").splitlines():
                sha, _, found = line.partition(" ")
                if found == name:
                    return sha
        return ""


_REMOTE = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.alternateRefsCommand=true "
    "-c gc.auto=0 -c receive.autogc=false -c safe.directory=*"
)


def towards(url: str, service: str) -> list[str]:
    """Return the option that keeps a repository on this machine from running its own hooks.

    Args:
        url: Where git will go; nothing is added for another machine.
        service: `upload-pack` or `receive-pack`.
    """
    local = url.startswith("file://") or ("://" not in url and not re.match(r"[\w.-]+@", url))
    return [f"--{service}={_REMOTE} {service}"] if local else []


def read_small(path: Path, limit: int = 65_536) -> bytes:
    """Return what a regular file holds; a pipe would block for ever, a device never end.

    Raises:
        ProjectError: It is not a regular file, or longer than `limit` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ProjectError(f"{path.name} is not a regular file")
            if found.st_size > limit:
                raise ProjectError(f"{path.name} is longer than {limit} bytes")
            return os.read(handle, limit)
        finally:
            os.close(handle)
    except OSError as error:
        raise ProjectError(f"{path.name} cannot be read: {error.strerror}") from error


def version() -> tuple[int, ...]:
    """Return the version of git on PATH."""
    try:
        done = subprocess.run(
            ["git", "--version"], capture_output=True, text=True, env=environment(), timeout=20
        )
    except OSError as error:
        raise FleetError("git is not installed") from error
    return tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:3])
