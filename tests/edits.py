"""What people do to a project between two updates: each kind of edit, and the lines they wrote.

An edit takes a `Hand` and changes files below its project, in either class of template, tiny or real.
It returns whether it found something to do. Every line that it writes carries a mark of its own, so
that a test can ask for each of them after any update.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from updating.ownership import Ownership, load

PNG = b"\x89PNG\r\n\x1a\n\x00"


@dataclass
class Hand:
    """Whoever edits: the project, a source of choices, and what was written and deleted so far.

    Attributes:
        project: The folder.
        choose: The source of choices.
        marks: The lines that were written and not deleted again, by their mark.
        deleted: Owned paths that were deleted.
        slug: The name of the package.
    """

    project: Path
    choose: random.Random
    slug: str = "acme_orders"
    marks: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    images: dict[str, bytes] = field(default_factory=dict)
    _count: int = 0

    @property
    def table(self) -> Ownership:
        """Whose the project's paths are now."""
        return load(self.project)

    def mark(self, path: str) -> str:
        """Return a new mark, which a line of a file is about to carry."""
        self._count += 1
        mark = f"mine{self._count:04d}"
        self.marks[mark] = path
        return mark

    def paths(self, kind: str, suffix: str = "") -> list[str]:
        """Return the committed paths of a class that the template brought, or of the project's own."""
        names = [
            p.relative_to(self.project).as_posix() for p in self.project.rglob("*") if p.is_file()
        ]
        names = [n for n in names if not n.startswith((".git/", ".kept/")) and "__pyc" not in n]
        return sorted(n for n in names if n.endswith(suffix) and self._kind(n) == kind)

    def _kind(self, name: str) -> str:
        kind = self.table.class_of(name)
        if kind != "managed":
            return kind
        head = (self.project / name).read_bytes()[:300]
        return "managed" if b"Managed by Slipway" in head else "own"

    def pick(self, kind: str, suffix: str = "", without: tuple[str, ...] = ()) -> str | None:
        """Return one of the paths of a class, or None when there is none."""
        found = [
            p for p in self.paths(kind, suffix) if not any(p.startswith(name) for name in without)
        ]
        return self.choose.choice(found) if found else None

    def forget(self, path: str) -> None:
        """Note that a path was deleted by hand, with the lines in it."""
        self.marks = {
            mark: place
            for mark, place in self.marks.items()
            if place != path and not place.startswith(f"{path}/")
        }

    def write(self, path: str, text: str) -> None:
        """Write a file of the project's own; what it had before is its author's loss."""
        target = self.project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
        self.marks = {m: place for m, place in self.marks.items() if place != path or m in text}

    def insert(self, path: str | None, *, at: str = "end", comment: str = "#") -> bool:
        """Put a marked line at the start (after the header), the end or the middle of a file."""
        if path is None:
            return False
        target = self.project / path
        with target.open(encoding="utf-8", newline="") as file:
            lines = file.read().splitlines(keepends=True)
        head = 2 if lines[:1] and lines[0].startswith("#!") else 1
        place = {"start": min(head, len(lines)), "middle": len(lines) // 2, "end": len(lines)}[at]
        if lines and place == len(lines) and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        line = f"{comment} {self.mark(path)}" + (" -->\n" if comment == "<!--" else "\n")
        lines.insert(place, line)
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write("".join(lines))
        return True


Edit = Callable[[Hand], bool]
SAFE = (".copier-answers.yml", "scripts/updating/ownership.toml", "LICENSE")


def add_package(hand: Hand) -> bool:
    folder = f"src/{hand.slug}/area{hand.choose.randrange(1000)}"
    hand.write(f"{folder}/__init__.py", f"# {hand.mark(folder + '/__init__.py')}\n")
    hand.write(f"{folder}/service.py", f"# {hand.mark(folder + '/service.py')}\n")
    return True


def add_module_beside_managed_ones(hand: Hand) -> bool:
    path = f"src/{hand.slug}/core/own_{hand.choose.randrange(1000)}.py"
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_file_where_a_release_adds_one(hand: Hand) -> bool:
    path = f"src/{hand.slug}/core/extra.py"
    if (hand.project / path).exists():
        return False
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_test(hand: Hand) -> bool:
    path = f"tests/test_own_{hand.choose.randrange(1000)}.py"
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_docs_page(hand: Hand) -> bool:
    path = f"docs/own/page{hand.choose.randrange(1000)}.md"
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_workflow(hand: Hand) -> bool:
    path = f".github/workflows/own{hand.choose.randrange(1000)}.yml"
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_file_with_an_odd_name(hand: Hand) -> bool:
    path = f"notes/Größe & Maß {hand.choose.randrange(1000)}.txt"
    hand.write(path, f"{hand.mark(path)} šť 🚀\n")
    return True


def add_binary(hand: Hand) -> bool:
    path = f"assets/data{hand.choose.randrange(1000)}.bin"
    hand.write(path, "")
    (hand.project / path).write_bytes(bytes(range(256)) + hand.mark(path).encode())
    return True


def add_file_with_carriage_returns(hand: Hand) -> bool:
    path = f"notes/dos{hand.choose.randrange(1000)}.txt"
    hand.write(path, "")
    (hand.project / path).write_bytes(f"one\r\n{hand.mark(path)}\r\n".encode())
    return True


def add_symbolic_link(hand: Hand) -> bool:
    path = hand.project / f"notes/link{hand.choose.randrange(1000)}"
    path.parent.mkdir(exist_ok=True)
    if path.is_symlink():
        return False
    path.symlink_to("../README.md")
    return True


def write_secret_that_git_ignores(hand: Hand) -> bool:
    hand.write(".env", f"TOKEN={hand.mark('.env')}\n")
    return True


def edit_owned_at_the_end(hand: Hand) -> bool:
    return hand.insert(hand.pick("owned", ".py"))


def edit_owned_at_the_start(hand: Hand) -> bool:
    return hand.insert(hand.pick("owned", ".py"), at="start")


def edit_owned_prose(hand: Hand) -> bool:
    return hand.insert(hand.pick("owned", ".md"), comment="<!--")


def rewrite_owned(hand: Hand) -> bool:
    path = hand.pick("owned", ".py")
    if path is None:
        return False
    hand.forget(path)
    hand.write(path, f"# {hand.mark(path)}\nX = 1\n")
    return True


def delete_owned_file(hand: Hand) -> bool:
    path = hand.pick("owned")
    if path is None or hand.table.is_replaceable(path):
        return False
    (hand.project / path).unlink()
    hand.forget(path)
    hand.deleted.add(path)
    return True


def delete_owned_folder(hand: Hand) -> bool:
    return _delete_folder(hand, f"src/{hand.slug}/orders")


def _delete_folder(hand: Hand, folder: str) -> bool:
    if not (hand.project / folder).is_dir():
        return False
    inside = [path for path in hand.paths("owned") if path.startswith(f"{folder}/")]
    hand.deleted |= set(inside)
    shutil.rmtree(hand.project / folder)
    hand.forget(folder)
    return True


def rename_owned_folder(hand: Hand) -> bool:
    source = hand.project / f"src/{hand.slug}/orders"
    target = source.with_name(f"shop{hand.choose.randrange(1000)}")
    if not source.is_dir() or target.exists():
        return False
    below = f"src/{hand.slug}/orders/"
    hand.deleted |= {path for path in hand.paths("owned") if path.startswith(below)}
    for mark, path in list(hand.marks.items()):
        if path.startswith(below):
            hand.marks[mark] = path.replace("/orders/", f"/{target.name}/")
    source.rename(target)
    return True


def add_file_to_owned_folder(hand: Hand) -> bool:
    path = f"src/{hand.slug}/orders/own{hand.choose.randrange(1000)}.py"
    if not (hand.project / path).parent.is_dir():
        return False
    hand.write(path, f"# {hand.mark(path)}\n")
    return True


def add_dependency(hand: Hand) -> bool:
    target = hand.project / "pyproject.toml"
    if not target.is_file():
        return False
    text = target.read_text("utf-8")
    name = f'  "own{hand.choose.randrange(1000)}>=1",  # {hand.mark("pyproject.toml")}\n'
    target.write_text(text.replace("dependencies = [\n", f"dependencies = [\n{name}", 1), "utf-8")
    return True


def add_tool_section(hand: Hand) -> bool:
    target = hand.project / "pyproject.toml"
    if not target.is_file():
        return False
    number = hand.choose.randrange(10**6)
    section = f"\n[tool.own{number}]\nx = 1  # {hand.mark('pyproject.toml')}\n"
    target.write_text(target.read_text("utf-8") + section, "utf-8")
    return True


def add_ignored_path(hand: Hand) -> bool:
    return hand.insert(".gitignore" if (hand.project / ".gitignore").is_file() else None)


def edit_merged_at_the_start(hand: Hand) -> bool:
    return hand.insert(hand.pick("merged", without=SAFE), at="start")


def edit_merged_in_the_middle(hand: Hand) -> bool:
    return hand.insert(hand.pick("merged", without=SAFE), at="middle")


def delete_merged(hand: Hand) -> bool:
    path = hand.pick("merged", without=(*SAFE, "pyproject.toml", ".gitignore"))
    if path is None:
        return False
    (hand.project / path).unlink()
    hand.forget(path)
    return True


def bend_managed_at_the_end(hand: Hand) -> bool:
    return hand.insert(hand.pick("managed", ".py", SAFE))


def bend_managed_in_the_middle(hand: Hand) -> bool:
    return hand.insert(hand.pick("managed", ".py", SAFE), at="middle")


def cut_managed(hand: Hand) -> bool:
    path = hand.pick("managed", ".py", SAFE)
    if path is None:
        return False
    target = hand.project / path
    lines = target.read_text("utf-8").splitlines(keepends=True)
    cut = lines[: len(lines) // 2 + 1]
    gone = [m for m, p in hand.marks.items() if p == path and m not in "".join(cut)]
    for mark in gone:
        del hand.marks[mark]
    target.write_text("".join(cut), "utf-8")
    return True


def delete_managed(hand: Hand) -> bool:
    path = hand.pick("managed", ".py", SAFE)
    if path is None:
        return False
    (hand.project / path).unlink()
    hand.forget(path)
    return True


def make_managed_executable(hand: Hand) -> bool:
    path = hand.pick("managed", ".py", SAFE)
    if path is None:
        return False
    (hand.project / path).chmod(0o755)
    return True


def replace_image(hand: Hand) -> bool:
    image = next(iter(sorted(hand.project.glob("docs/*.png"))), None)
    if image is None:
        return False
    name = image.relative_to(hand.project).as_posix()
    hand.images[name] = PNG + hand.mark(name).encode()
    image.write_bytes(hand.images[name])
    return True


KINDS: tuple[Edit, ...] = (
    add_package,
    add_module_beside_managed_ones,
    add_file_where_a_release_adds_one,
    add_test,
    add_docs_page,
    add_workflow,
    add_file_with_an_odd_name,
    add_binary,
    add_file_with_carriage_returns,
    add_symbolic_link,
    write_secret_that_git_ignores,
    edit_owned_at_the_end,
    edit_owned_at_the_start,
    edit_owned_prose,
    rewrite_owned,
    delete_owned_file,
    delete_owned_folder,
    rename_owned_folder,
    add_file_to_owned_folder,
    add_dependency,
    add_tool_section,
    add_ignored_path,
    edit_merged_at_the_start,
    edit_merged_in_the_middle,
    delete_merged,
    bend_managed_at_the_end,
    bend_managed_in_the_middle,
    cut_managed,
    delete_managed,
    make_managed_executable,
    replace_image,
)
