# SPDX-License-Identifier: GPL-2.0
"""A mistake, how its answer is judged, and the page about all of them."""

import os
import re
import textwrap
from typing import Callable, NamedTuple, Optional

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(TOP, "Documentation", "mistakes.rst")
# Where the table begins in a section of the page.
MARK = ".. From selftests/mistakes: {}"
# What a command may put before its line: a program's name, or a level for the journal.
HEAD = r"(?:pbctl: |pbviewd: |pb: |<[0-7]>)?"
FIELD = re.compile(r"\{(\w+)\}")
# Fields that no preparation fills: what they stand for.
LOOSE = {"n": r"\d+", "m": r"\d+", "uuid": r"[0-9a-f-]{36}", "text": r"\S.*\S"}


class Mistake(NamedTuple):
    """wrong: what somebody has done, for people; do: what helps, or None if another row has the same answer.

    command and says have fields: {dev} is what the preparation has called so, {n}, {m}, {uuid} and {text} are any
    number, UUID and text. prepare(bench) comes before it. source: "stderr", or "kernel" for the kernel's log.
    """
    wrong: str
    command: str
    says: str
    do: Optional[str]
    prepare: Optional[Callable] = None
    status: int = 1
    source: str = "stderr"
    user: Optional[int] = None


def fill(text, names):
    """A command, with its fields."""
    return FIELD.sub(lambda m: str(names[m.group(1)]), text)


def pattern(text, names):
    """What the one line must be, as a whole."""
    parts = FIELD.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.escape(parts[i])
    for i in range(1, len(parts), 2):
        parts[i] = re.escape(str(names[parts[i]])) if parts[i] in names else LOOSE[parts[i]]
    return re.compile(HEAD + "".join(parts))


def judge(mistake, names, status, lines):
    """What is wrong with an answer: [text]."""
    found = []
    if status != mistake.status:
        found.append(f"exit status {status}, not {mistake.status}")
    if len(lines) != 1:
        found.append(f"{len(lines)} lines, not one")
    elif not pattern(mistake.says, names).fullmatch(lines[0]):
        found.append("another line than it should be")
    if found:
        found += [f"says: {line}" for line in lines] + [f"want: {mistake.says}"]
    return found


def changes(before, after):
    """What is not as it was: [text]."""
    return [f"changed: {what}" for what in sorted(before.keys() | after.keys()) if before.get(what) != after.get(what)]


def shown(text):
    """A message as the page has it: fields in capitals."""
    return FIELD.sub(lambda m: {"text": "..."}.get(m.group(1), m.group(1).upper()), text)


def cell(head, text):
    """A cell of a list-table."""
    width = 100
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"{'      ' if i else head} {line}" for i, line in enumerate(lines)) + "\n"


def rows(mistakes):
    """The rows of a section."""
    return "".join(cell("   * -", f"``{shown(m.says)}``") + cell("     -", m.wrong) + cell("     -", m.do)
                   for m in mistakes if m.do)


def sections(tables):
    """{section: its text on the page}."""
    head = (".. list-table::\n   :header-rows: 1\n   :widths: 50 20 30\n\n"
            "   * - You see\n     - It means\n     - What to do\n")
    return {name: f"{MARK.format(name)}\n\n{head}{rows(mistakes)}" for name, mistakes in tables.items()}


def page_with(text, tables):
    """The page, with its tables as they are to be."""
    for name, section in sections(tables).items():
        old = re.compile(re.escape(MARK.format(name)) + r"(?:\n\n\.\. list-table::(?:\n(?: .*|(?=\n )))*)?\n")
        text, found = old.subn(lambda _, new=section: new, text)
        if found != 1:
            raise ValueError(f"{PAGE} has {found} places for {name}")
    return text


def without_row(tables):
    """Answers that no row of the page explains, and those that two do."""
    mistakes = [m for section in tables.values() for m in section]
    told = [m.says for m in mistakes if m.do]
    return [f"no row: {m.says}" for m in mistakes if m.says not in told] + [
        f"two rows: {says}" for says in sorted(set(told)) if told.count(says) > 1]
