"""Instructions of a Dockerfile, as BuildKit reads them: continuation lines, here-documents, stages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import CannotReadError

_HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::[-+][^}]*)?\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        name: In capitals, such as `RUN`.
        value: What follows it, on one line.
        line: Where it starts, from 1.
        stage: Number of the stage, from 0; -1 before the first `FROM`.
    """

    name: str
    value: str
    line: int
    stage: int

    @property
    def exec_form(self) -> list[str] | None:
        """Return the words of the JSON form, or None for the shell form."""
        try:
            words = json.loads(self.value)
        except ValueError:
            return None
        return [str(word) for word in words] if isinstance(words, list) else None


def read_instructions(path: str, text: str) -> list[Instruction]:
    """Return the instructions in order.

    Raises:
        CannotReadError: When there is no `FROM`.
    """
    found, stage = [], -1
    for line, whole in _logical_lines(text):
        name, _, value = whole.partition(" ")
        stage += name.upper() == "FROM"
        found.append(Instruction(name.upper(), value.strip(), line, stage))
    if stage < 0:
        raise CannotReadError(path, "has no FROM instruction")
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction as one line, with the number of its first."""
    lines = enumerate(text.split("\n"), 1)
    for number, first in lines:
        whole = first.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith("\\"):
            following = next(lines, (0, ""))[1].strip()
            while following.startswith("#"):
                following = next(lines, (0, ""))[1].strip()
            whole = f"{whole[:-1].rstrip()} {following}"
        for end in _HEREDOC.findall(whole) if whole.upper().startswith(("RUN", "COPY")) else ():
            for _, body in lines:
                if body.strip() == end:
                    break
                whole += f" ; {body.strip()}"
        yield number, re.sub(r"\s+", " ", whole)


def base_image(instruction: Instruction, arguments: dict[str, str]) -> tuple[str, str]:
    """Return the image of a `FROM` with its arguments filled in, and the name of the stage."""
    words = [word for word in instruction.value.split() if not word.startswith("--")]
    image = _VARIABLE.sub(lambda hit: arguments.get(hit[1] or hit[2], hit[0]), words[0])
    named = len(words) > 2 and words[1].upper() == "AS"
    return image, words[2].lower() if named else ""


def global_arguments(instructions: list[Instruction]) -> dict[str, str]:
    """Return the defaults of the `ARG` before the first `FROM`."""
    pairs = [i.value.partition("=") for i in instructions if i.stage < 0 and i.name == "ARG"]
    return {name: value.strip("\"'") for name, _, value in pairs}


def final_stage(instructions: list[Instruction]) -> list[Instruction]:
    """Return the instructions of the stage that becomes the image, those of its parents first."""
    arguments = global_arguments(instructions)
    froms = [i for i in instructions if i.name == "FROM"]
    names = {base_image(f, arguments)[1]: f.stage for f in froms}
    chain, stage = [], froms[-1].stage
    while stage not in chain:
        chain.append(stage)
        parent = base_image(froms[stage], arguments)[0].lower()
        stage = names.get(parent, stage)
    return [i for stage in reversed(chain) for i in instructions if i.stage == stage]
