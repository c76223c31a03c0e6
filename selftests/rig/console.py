# SPDX-License-Identifier: GPL-2.0
"""Find in a console log what no test may cause."""

import re

BAD = [
    r"\bWARNING: ", r"\bBUG\b[: ]", r"\bOops\b", r"possible circular", r"possible recursive",
    r"inconsistent lock state", r"suspicious RCU", r"hung task", r"blocked for more than",
    r"\bKASAN\b: ", r"\bKCSAN\b: ", r"\bUBSAN\b: ", r"unreferenced object", r"new suspected memory leaks",
    r"list_(add|del) corruption", r"refcount_t: ", r"\bINFO: (task|possible|rcu|trying)", r"rcu.*\bstall",
    r"Call Trace:", r"general protection fault", r"Kernel panic", r"unable to handle",
    r"sleeping function called", r"scheduling while atomic", r"held lock freed", r"lock held when returning",
    r"Objects remaining in ", r"ODEBUG: ", r"page allocation failure", r"pbrig: (fatal|cannot)",
]
_BAD = re.compile("|".join(BAD))


def bad_lines(text, allow=()):
    """Lines of TEXT that match BAD and none of the regular expressions in ALLOW."""
    allowed = [re.compile(a) for a in allow]
    return [line.rstrip() for line in text.splitlines()
            if _BAD.search(line) and not any(a.search(line) for a in allowed)]
