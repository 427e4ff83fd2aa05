"""`fleet.toml`: what a platform team writes down about its fleet. Strict: an unknown key is an error."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .answers import normalised_url
from .errors import ConfigError

NAME = "fleet.toml"
Patterns = tuple[str, ...]


class Section(BaseModel):
    """A table of `fleet.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class FleetSection(Section):
    """`[fleet]`: where things are kept and how much is done at once."""

    name: str = Field(default="fleet", description="What reports call the fleet.")
    cache: Path = Field(default=Path(".fleet"), description="Clones, renders and history.")
    workers: int = Field(default=0, ge=0, le=64, description="Processes; 0 is one per core.")
    max_file_bytes: int = Field(default=2_000_000, ge=10_000, description="Longest file read.")
    max_files: int = Field(default=200_000, ge=100, description="Most files of one project.")


class TemplateSection(Section):
    """`[[template]]`: a template that projects may have come from. No other is ever rendered."""

    url: str = Field(description="Where it is cloned from: https, ssh, or a path.")
    aliases: Patterns = Field(default=(), description="Other addresses that projects recorded.")
    target: str = Field(default="latest", description="The release to move to, or `latest`.")
    token_env: str = Field(default="", description="The variable that holds a token to read it.")

    @field_validator("url")
    @classmethod
    def _allowed(cls, url: str) -> str:
        return checked_url(url)

    def claims(self, recorded: str) -> bool:
        """Tell whether an address that a project recorded means this template."""
        return normalised_url(recorded) in {normalised_url(u) for u in (self.url, *self.aliases)}


class _Source(Section):
    include: Patterns = Field(default=("**",), description="Projects to take, by id.")
    exclude: Patterns = Field(default=(), description="Projects to leave out, by id.")
    owner: str = Field(default="", description="Who answers for projects that name no owner.")


class DirSource(_Source):
    """Clones below a folder; each is read in place and never written to."""

    type: Literal["dir"]
    path: Path = Field(description="The folder, relative to fleet.toml.")
    depth: int = Field(default=1, ge=1, le=5, description="How many levels down clones lie.")


class YamlSource(_Source):
    """A list of projects in a file: `- {id: orders, url: https://..., owner: "@team"}`."""

    type: Literal["yaml"]
    path: Path = Field(description="The file, relative to fleet.toml.")
    forge: Literal["github", "gitlab", "none"] = Field(
        default="none", description="What opens requests."
    )
    api: str = Field(default="", description="The forge's API.")
    token_env: str = Field(default="", description="The variable that holds the token.")


class GitHubSource(_Source):
    """The repositories of a GitHub organisation."""

    type: Literal["github-org"]
    organization: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$", description="Its name.")
    api: str = Field(default="https://api.github.com", description="The API's address.")
    token_env: str = Field(default="GITHUB_TOKEN", description="The variable with the token.")
    topic: str = Field(default="", description="Take only repositories with this topic.")
    archived: bool = Field(default=False, description="Take archived ones too.")


class GitLabSource(_Source):
    """The projects of a GitLab group and its subgroups."""

    type: Literal["gitlab-group"]
    group: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)*$", description="Its full path.")
    api: str = Field(default="https://gitlab.com/api/v4", description="The API's address.")
    token_env: str = Field(default="GITLAB_TOKEN", description="The variable with the token.")
    topic: str = Field(default="", description="Take only projects with this topic.")
    archived: bool = Field(default=False, description="Take archived ones too.")


AnySource = Annotated[
    DirSource | YamlSource | GitHubSource | GitLabSource, Field(discriminator="type")
]


class CampaignSection(Section):
    """`[campaign]`: how updates reach projects."""

    branch_prefix: str = Field(
        default="slipway/", pattern=r"^[\w./-]*$", description="Of branches."
    )
    waves: tuple[int, ...] = Field(
        default=(1, 5, 25), description="Projects in each wave; the rest is the last one."
    )
    requests_per_minute: int = Field(default=20, ge=1, le=600, description="Writes to a forge.")
    max_open: int = Field(default=50, ge=1, description="Requests open at the same time.")
    author: str = Field(default="Slipway Fleet", description="Who commits.")
    email: str = Field(default="fleet@localhost.invalid", description="The committer's address.")
    managed: Literal["keep", "restore"] = Field(
        default="keep",
        description="What becomes of a project's edits to managed files.",
    )
    labels: Patterns = Field(default=(), description="Labels of requests.")


class RulesSection(Section):
    """`[rules]`: which standards hold."""

    packs: Patterns = Field(default=("fastapi",), description="Rule packs, by name or folder.")
    disable: Patterns = Field(default=(), description="Rules that do not hold here, by id.")
    levels: dict[str, Literal["error", "warning", "note"]] = Field(
        default_factory=dict, description="Another level for a rule."
    )


class WaiversSection(Section):
    """`[waivers]`: exceptions with an end."""

    file: Path = Field(default=Path("waivers.yaml"), description="Relative to fleet.toml.")
    max_days: int = Field(default=180, ge=1, description="The longest time a waiver may run.")
    forbidden: Patterns = Field(default=(), description="Rules that nobody can waive, by id.")


class FleetConfig(Section):
    """The whole of `fleet.toml`."""

    fleet: FleetSection = FleetSection()
    template: tuple[TemplateSection, ...] = ()
    source: tuple[AnySource, ...] = ()
    campaign: CampaignSection = CampaignSection()
    rules: RulesSection = RulesSection()
    waivers: WaiversSection = WaiversSection()
    root: Path = Field(default=Path(), exclude=True)

    def path(self, relative: Path) -> Path:
        """Return a path of fleet.toml as seen from here."""
        return relative if relative.is_absolute() else self.root / relative

    @property
    def cache(self) -> Path:
        """Return the folder of clones, renders and history."""
        return self.path(self.fleet.cache)

    def template_of(self, recorded: str) -> TemplateSection | None:
        """Return the template that a recorded address means; None when it is not on the list."""
        return next((t for t in self.template if t.claims(recorded)), None)


def checked_url(url: str) -> str:
    """Return an address git may be given.

    Raises:
        ValueError: It holds a password or token, runs a program, or looks like an option.
    """
    scheme, separator, rest = url.partition("://")
    if not url or url.startswith("-") or "::" in url or "\n" in url:
        raise ValueError("not an address")
    if separator and scheme not in {"https", "ssh", "file"}:
        raise ValueError(f"{scheme}:// is not allowed: use https://, ssh:// or a path")
    if separator and scheme == "https" and "@" in rest.partition("/")[0]:
        raise ValueError("no user name or token in an address: name a variable in token_env")
    return url


def load(path: Path) -> FleetConfig:
    """Read `fleet.toml`.

    Raises:
        ConfigError: It is not there or wrong; the text names the key and says what it may be.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} is not there: write one (see `fleet doctor --example`) or name it with --config"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if "root" in data:
        raise ConfigError(f"{path}: unknown key 'root'")
    try:
        return FleetConfig.model_validate(data | {"root": path.resolve().parent})
    except ValidationError as error:
        lines = [_sentence(problem) for problem in error.errors()]
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from error


def _sentence(problem: Any) -> str:
    kinds = {"dir", "yaml", "github-org", "gitlab-group"}
    words: list[str] = []
    for part in problem["loc"]:
        if isinstance(part, int):
            words[-1] += f"[{part + 1}]"
        elif part not in kinds:
            words.append(str(part))
    where = ".".join(words)
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(words[-1], sorted(known_keys()), n=1)
        return f"unknown key {where}" + (f"; did you mean {close[0]}?" if close else "")
    if problem["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def known_keys() -> set[str]:
    """Return every key that `fleet.toml` knows."""
    models: list[type[BaseModel]] = [DirSource, YamlSource, GitHubSource, GitLabSource]
    models += [FleetConfig, FleetSection, TemplateSection, CampaignSection]
    models += [RulesSection, WaiversSection]
    return {name for model in models for name in model.model_fields} - {"root"}
