"""Render the template with both engines, in process, and look at what came out."""

import fnmatch
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml
from combinations import ROOT, load_manifest

ENGINES = ("cookiecutter", "copier")
TAG = "v0.0.1"


def share_compiled_templates() -> None:
    """Compile each Jinja template once per process, where both engines do so on every render.

    Four times less CPU a render. The key leaves the file name out, since copier renders from a new
    clone each time.
    """
    original: Any = jinja2.Environment.compile
    compiled: dict[object, Any] = {}

    def compile_once(
        self: jinja2.Environment,
        source: Any,
        name: str | None = None,
        filename: str | None = None,
        raw: bool = False,  # the signature is Jinja's
        defer_init: bool = False,  # as above
    ) -> Any:
        if raw or not isinstance(source, str):
            return original(self, source, name, filename, raw, defer_init)
        engine = (self.sandboxed, self.undefined, self.line_statement_prefix, *self.extensions)
        key = (*engine, name, source)
        if key not in compiled:
            compiled[key] = original(self, source, name, filename, raw, defer_init)
        return compiled[key]

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign]  # on purpose


def skip_windows_only_git_calls() -> None:
    """Keep copier from asking git for `core.fileMode` once per file, which matters on Windows only."""
    from copier._main import Worker  # noqa: PLC0415  # after the home has moved

    name = "_sync_git_index_executable_bit"
    assert hasattr(Worker, name), "copier has changed: see whether this shortcut is still needed"
    setattr(Worker, name, lambda *_args: None)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints; its message is in the error when it fails."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (
        f"git {' '.join(arguments)} in {folder}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str, tag: str = "") -> str:
    """Commit everything in a folder, as a new repository when it is none, and return the hash."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def tracked_files(root: Path = ROOT) -> list[str]:
    """Return the paths that are in git or would be: what a user gets, leftovers of a work tree not."""
    listed = git(root, "ls-files", "-zco", "--exclude-standard")
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())


def copy_template(destination: Path) -> Path:
    """Copy the working tree into a clean repository with one tagged commit."""
    for name in tracked_files():
        if name.startswith("central-services/"):
            continue  # no render reads it, and copier would check it out for each
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    commit_all(destination, "release", TAG)
    git(destination, "repack", "-adq")  # copier clones it for each render: one file, not hundreds
    return destination


class Renderer:
    """Renders a template with either engine into new folders, once per distinct set of answers."""

    def __init__(self, template: Path, base: Path) -> None:
        self.template = template
        self._base = base
        skip_windows_only_git_calls()
        self._cache: dict[tuple[object, ...], Path] = {}
        self.config = base / "cookiecutter.yml"
        self.config.write_text(
            yaml.safe_dump(
                {
                    "cookiecutters_dir": str(base / "clones"),
                    "replay_dir": str(base / "replay"),
                    "abbreviations": {"acme": f"git+file://{template.parent}/{{0}}"},
                }
            )
        )

    def __call__(self, engine: str, **answers: Any) -> Path:
        """Return the project, rendered before where it can be. Treat it as read-only."""
        key = (engine, *sorted(answers.items()))
        if key not in self._cache:
            self._cache[key] = self.fresh(engine, **answers)
        return self._cache[key]

    def new_folder(self) -> Path:
        """Return an empty folder."""
        return Path(tempfile.mkdtemp(dir=self._base))

    def fresh(self, engine: str, **answers: Any) -> Path:
        """Return the project, rendered now."""
        out = self.new_folder()
        return (
            self.cookiecutter(out, **answers)
            if engine == "cookiecutter"
            else self.copier(out / "project", **answers)
        )

    def cookiecutter(
        self, out: Path, source: str = "", checkout: str | None = None, **answers: Any
    ) -> Path:
        """Render with cookiecutter into a folder below `out` named after the slug."""
        from cookiecutter.main import cookiecutter  # noqa: PLC0415  # after the home has moved

        return Path(
            cookiecutter(
                source or str(self.template),
                checkout=checkout,
                no_input=True,
                extra_context=answers,
                output_dir=str(out),
                config_file=str(self.config),
            )
        )

    def copier(
        self, out: Path, source: str = "", *, vcs_ref: str | None = None, **answers: Any
    ) -> Path:
        """Render with copier into `out`, never as a trusted template."""
        from copier import run_copy  # noqa: PLC0415  # after the home has moved

        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ResourceWarning
            )  # copier leaves a pipe to the collector
            run_copy(
                source or str(self.template),
                out,
                data=answers,
                defaults=True,
                quiet=True,
                vcs_ref=vcs_ref,
            )
        return out


def files(root: Path) -> Iterator[Path]:
    """Yield the files of a project in order, without what running it leaves behind."""
    junk = [*load_manifest()["_junk"], ".git"]
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_file() and not any(
            fnmatch.fnmatch(part, j) for part in relative.parts for j in junk
        ):
            yield path


def snapshot(root: Path) -> dict[str, tuple[bool, bytes]]:
    """Return what a project holds: by path, whether it may be executed, and its bytes."""
    return {
        path.relative_to(root).as_posix(): (bool(path.stat().st_mode & 0o111), path.read_bytes())
        for path in files(root)
    }


def text_of(path: Path) -> str | None:
    """Return the text of a file, or None for a binary one."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def slug_of(project: Path) -> str:
    """Return the package name of a rendered project."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text("utf-8"))
    return str(answers["project_slug"])


def copy_project(project: Path, destination: Path) -> Path:
    """Copy a rendered project to a folder where a test may write."""
    junk = shutil.ignore_patterns("__pycache__", ".git", ".pytest_cache")
    return Path(shutil.copytree(project, destination, symlinks=True, ignore=junk))
