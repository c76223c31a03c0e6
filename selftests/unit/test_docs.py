#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does the documentation speak of what there is?  Names of tests, functions, verbs, options, settings, metrics."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOC = os.path.join(TOP, "Documentation")
PROMISES = 14
TEST = re.compile(r"\b((?:unit|vm|multi)/test_\w+)(?:\.\w+)?(?:: (test_\w+))?")
results = []


def read(*path):
    """A file of the tree."""
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def man(name):
    """A manual page, without the backslashes before hyphens."""
    return read("Documentation", name).replace("\\-", "-").replace("\\~", " ")


def point(text, missing):
    """A result: good if nothing is missing."""
    results.append(not missing)
    print(f"{'ok' if not missing else 'not ok'} {len(results)} - {text}")
    for what in sorted(missing)[:20]:
        print(f"# {what}")


def skip(text, why):
    """A result that this host cannot give."""
    results.append(True)
    print(f"ok {len(results)} - {text} # SKIP {why}")


def sources(*patterns):
    """All of some files, as one text."""
    return "\n".join(read(p) for pattern in patterns for p in glob.glob(os.path.join(TOP, pattern)))


def promises():
    """promises.rst: all fourteen, in order, each with its parts."""
    text = read("Documentation", "promises.rst")
    sections = re.findall(r"^(\d+)\. [^\n]+\n=+\n(.*?)(?=^\d+\. [^\n]+\n=+\n|\Z)", text, re.M | re.S)
    missing = set()
    if [int(number) for number, _ in sections] != list(range(1, PROMISES + 1)):
        missing.add(f"numbers {[number for number, _ in sections]}")
    for number, body in sections:
        missing |= {f"{number}: {part}" for part in ("**Promise.**", "**Rests on**", "**Why.**", "**Tests.**")
                    if part not in body}
        tests = body.split("**Tests.**")[-1].split("\n\n")[0]
        if not TEST.search(tests):
            missing.add(f"{number}: names no test")
    point("promises.rst: each promise has its parts and a test", missing)


def tests_named():
    """Tests that the documentation names."""
    missing = set()
    for path in glob.glob(os.path.join(DOC, "*.rst")):
        for name, function in TEST.findall(re.sub(r"\s+", " ", read(path))):
            found = [p for p in glob.glob(os.path.join(TOP, "selftests", name + ".*"))]
            if not found:
                missing.add(f"{os.path.basename(path)}: {name}")
            elif function and not re.search(rf"\b{function}\(", read(found[0])):
                missing.add(f"{os.path.basename(path)}: {name}: {function}")
    point("every test that is named exists", missing)


def code_named():
    """Files and functions that promises.rst and views.rst name."""
    code = sources("kmod/*.[ch]", "userspace/*/*.[ch]")
    missing = set()
    for name in ("promises.rst", "views.rst", "states.rst", "service.rst"):
        text = read("Documentation", name)
        missing |= {f"{name}: {path}" for path in re.findall(r"``((?:kmod|userspace)/[\w./-]+\.[ch])``", text)
                    if not os.path.exists(os.path.join(TOP, path))}
        missing |= {f"{name}: {function}()" for function in re.findall(r"``(\w+)\(\)``", text)
                    if not re.search(rf"\b{function}\(", code)}
    point("every file and function that is named exists", missing)


def verbs():
    """{verb: its options}, from the sources."""
    found = {}
    for path in glob.glob(os.path.join(TOP, "userspace", "pbctl", "*.c")):
        text = read(path)
        options = set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', text))
        for name in re.findall(r'^\t\.name = "([a-z -]+)",\n\t\.args', text, re.M):
            found[name] = options
    return found


def pbctl_page():
    """pbctl.8 and the verbs: all of both."""
    known, page = verbs(), man("pbctl.8")
    shown = set(re.findall(r"^\.B pbctl ([a-z-]+(?: (?:set|show))?)", page, re.M)) - {"help", "--version"}
    missing = {f"not in pbctl.8: {verb}" for verb in known if verb not in shown}
    missing |= {f"no verb: {verb}" for verb in shown if verb not in known}
    options = set().union(*known.values())
    written = set(re.findall(r"--([a-z][a-z-]+)", page)) - {"version"}
    missing |= {f"not in pbctl.8: --{option}" for option in options - written}
    missing |= {f"no option: --{option}" for option in written - options}
    events = set(re.findall(r'\[PB_EVENT_\w+\]\s*= "([a-z-]+)"', read("userspace", "lib", "text.c")))
    missing |= {f"not in pbctl.8: event {event}" for event in events if event not in page}
    point("pbctl.8 has every verb, option and event, and no other", missing)


def commands():
    """Command lines of pbctl in the documentation."""
    known, missing = verbs(), set()
    for path in glob.glob(os.path.join(DOC, "*.rst")) + [os.path.join(DOC, "pbviewd.8"), os.path.join(TOP, "README.md")]:
        text = read(path).replace("\\-", "-").replace("\\\n", " ")
        for words in re.findall(r"(?:[#$] |``)pbctl ([a-z][^\n`#;&|]*)", text):
            verb = next((v for v in sorted(known, key=len, reverse=True) if (words + " ").startswith(v + " ")), None)
            if not verb:
                missing.add(f"{os.path.basename(path)}: pbctl {words}")
                continue
            missing |= {f"{os.path.basename(path)}: pbctl {verb} --{option}"
                        for option in re.findall(r"--([a-z-]+)", words) if option not in known[verb]}
    point("every command line of pbctl is one", missing)


def settings():
    """pbviewd.conf.5 and what the configuration may have."""
    keys = set(re.findall(r'^\t\{ "(\w+)", CONFIG_TYPE', read("userspace", "lib", "config.c"), re.M))
    shown = set(re.findall(r'^\.(?:B[IR]?|SS) "(\w+) = ', man("pbviewd.conf.5"), re.M))
    shown |= set(re.findall(r'^\.BR "(\w+) = ', man("pbviewd.conf.5"), re.M))
    point("pbviewd.conf.5 has every setting, and no other",
          {f"not shown: {k}" for k in keys - shown} | {f"unknown: {k}" for k in shown - keys})


def server_page():
    """What the view server says of a volume is in pbviewd.8 and in the runbook."""
    page = read("userspace", "pbviewd", "page.c")
    metrics = set(re.findall(r'"(pbviewd_\w+)"', page))
    shown = set(re.findall(r"pbviewd_\w+", man("pbviewd.8")))
    point("pbviewd.8 has every metric, and no other", metrics ^ shown)
    runbook = re.sub(r"\s+", " ", read("Documentation", "runbook.rst"))
    said, health = set(), read("userspace", "pbviewd", "health.c")
    for function in ("health_of_members", "condition", "pv_health", "pv_condition"):
        body = re.search(rf"^[^\t\n]*\b{function}\(.*?^}}", health, re.M | re.S).group()
        said |= set(re.findall(r'(?:return |size, )"([^"]+)"', body)) - {"%s"}
    missing = {text for text in said
               if not re.search(re.sub(r"%(?:s|llu|u)", lambda _: r"\w+", re.escape(text)), runbook)}
    point("runbook.rst knows every health and condition", missing if said else {"nothing is said"})


def index():
    """index.rst lists every page."""
    text = read("Documentation", "index.rst")
    names = {os.path.basename(p) for p in glob.glob(os.path.join(DOC, "*.*"))} - {"index.rst"}
    point("index.rst lists every page", {name for name in names if f"``{name}``" not in text})


def formatted():
    """man and Sphinx have nothing to complain of."""
    pages = glob.glob(os.path.join(DOC, "*.[1-9]"))
    if shutil.which("man"):
        bad = [subprocess.run(["man", "-l", "--warnings", "-Tutf8", "-Z", page], env={**os.environ, "LC_ALL": "C.UTF-8"},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr for page in pages]
        point("man formats every page without a warning", {line for text in bad for line in text.splitlines()})
    else:
        skip("man formats every page without a warning", "no man")
    if not shutil.which("sphinx-build"):
        skip("Sphinx formats it without a warning", "no sphinx-build")
        return
    with tempfile.TemporaryDirectory(prefix="pb-docs-") as tmp:
        done = subprocess.run(["sphinx-build", "-q", "-W", "--keep-going", "-C", "-D", "project=dm-pb", "-D",
                               "root_doc=index", "-b", "dummy", "-d", tmp + "/trees", DOC, tmp + "/out"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = {line for line in done.stderr.splitlines() if re.search(r"WARNING|ERROR|\.rst:\d+", line)}
    point("Sphinx formats it without a warning", lines or ({done.stderr[-300:]} if done.returncode else set()))


def main():
    """All of it."""
    print("TAP version 13")
    for part in (promises, tests_named, code_named, pbctl_page, commands, settings, server_page, index, formatted):
        part()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
