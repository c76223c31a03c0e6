#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does the documentation speak of what there is?

Names of tests, functions, pages, sections, verbs, options, settings, counters, metrics, words of the
table; and whether Sphinx and man can format it.
"""

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
PAGES = [path for ext in ("rst", "[1-9]") for path in glob.glob(os.path.join(DOC, "*." + ext))]
PAGES.append(os.path.join(TOP, "README.md"))
SECTION = re.compile(r"\b([a-z][a-z-]*\.rst), \*([^*]+)\*((?:,? and \*[^*]+\*|, \*[^*]+\*)*)")
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


def tests_listed():
    """The table of testing.rst, and the tests that there are."""
    table = read("Documentation", "testing.rst").split("\nEvery test\n===")[1].split("\n\n\n")[0]
    shown = re.findall(r"^(\w+/\w+) +\S", table, re.M)
    top = os.path.join(TOP, "selftests")
    known = {os.path.splitext(os.path.relpath(path, top))[0] for pattern in ("*/test_*.*", "fuzz/fuzz_*.c")
             for path in glob.glob(os.path.join(top, pattern))}
    missing = {f"not in the table: {name}" for name in known - set(shown)}
    missing |= {f"no test: {name}" for name in set(shown) - known}
    missing |= {f"twice: {name}" for name in shown if shown.count(name) > 1}
    point("testing.rst has every test, once, and no other", missing)


def code_named():
    """Files and functions that the pages name."""
    code = sources("kmod/*.[ch]", "userspace/*/*.[ch]")
    missing = set()
    for path in glob.glob(os.path.join(DOC, "*.rst")):
        name, text = os.path.basename(path), read(path)
        missing |= {f"{name}: {file}" for file in re.findall(r"``((?:kmod|userspace|scripts)/[\w./-]+\.\w+)``", text)
                    if not os.path.exists(os.path.join(TOP, file))}
        missing |= {f"{name}: {function}()" for function in re.findall(r"``(\w+)\(\)``", text)
                    if not re.search(rf"\b{function}\(", code)}
    point("every file and function that is named exists", missing)


def titles(page):
    """Titles of a page, and terms that it explains, in one line each."""
    text = read(page)
    found = re.findall(r"^([^\s.].*)\n(?:=+|-+)$", text, re.M) + re.findall(r"^([^\s.].*)\n    \S", text, re.M)
    found += re.findall(r"^\*(\w+)\* \(", text, re.M)
    return {re.sub(r"[`*]|^\d+\. ", "", title).lower() for title in found}


def links():
    """Pages, sections and manual pages that the pages name."""
    missing = set()
    for path in PAGES:
        name, text = os.path.basename(path), re.sub(r"\s+", " ", read(path).replace("\\-", "-"))
        for page in re.findall(r"\b([a-z][a-z-]*\.rst)\b", text):
            if not os.path.exists(os.path.join(DOC, page)):
                missing.add(f"{name}: no page {page}")
        for page, first, more in SECTION.findall(text):
            wanted = [first] + re.findall(r"\*([^*]+)\*", more)
            if os.path.exists(os.path.join(DOC, page)):
                known = titles(os.path.join(DOC, page))
                missing |= {f"{name}: {page} has no section {title}" for title in wanted if title.lower() not in known}
        for page, number in re.findall(r"\b((?:ocf_dm-pb_|dm-pb|pb)[\w.-]*)\((\d)\)", text):
            if not os.path.exists(os.path.join(DOC, f"{page}.{number}")):
                missing.add(f"{name}: no manual page {page}({number})")
    point("every page, section and manual page that is named exists", missing)


def questions():
    """questions.rst has as many answers as it says, each with a place to look."""
    text = read("Documentation", "questions.rst")
    said = re.search(r"answers to (\d+) questions", text)
    answers = re.findall(r"^([A-Z]-?\d+(?:-\d+)?): .+\n((?:    .+\n)+)", text, re.M)
    names = [name for name, _ in answers]
    missing = {f"{name}: twice" for name in names if names.count(name) > 1}
    for kind, numbers in (("S-", range(1, 113)), ("X-", range(1, 14)), ("R", [*range(1, 18), *range(20, 31)]),
                          ("A6-", range(1, 7)), ("A8-", range(1, 9))):
        missing |= {f"no answer: {kind}{number}" for number in numbers if f"{kind}{number}" not in names}
    if not said or int(said[1]) != len(answers):
        missing.add(f"it says {said and said[1]} answers, and has {len(answers)}")
    place = re.compile(r"\.rst|[Pp]romises? \d|``\w+/[\w.]+|\(\d\)|\b(?:[SX]-\d|[RA]\d)|\.  There is no weaker mode")
    missing |= {f"{name}: says nowhere to look" for name, body in answers
                if len(body.split()) > 25 and not place.search(body)}
    point("questions.rst answers as many as it says, with places to look", missing)


def counters():
    """The table of counters in dm-pb.rst, and the module's."""
    names = set(re.findall(r'\[PB_CNT_\w+\]\s*= "(\w+)"', read("userspace", "lib", "text.c")))
    table = read("Documentation", "dm-pb.rst").split("\nCounters\n====")[1].split("\nTracepoints\n====")[0]
    shown = set(re.findall(r"^(\w+)  +\S", table, re.M))
    point("dm-pb.rst has every counter, and no other", names ^ shown)


def table_words():
    """dm-pb.4 and dm-pb.rst, and the words of the target's table line."""
    words = set(re.findall(r'strcmp\(name, "(\w+)"\)', read("kmod", "pb-target.c")))
    page = re.search(r"\.SH TABLE LINE(.*?)\.SH", man("dm-pb.4"), re.S)[1]
    shown = set(re.findall(r'^\.B[IR]? (\w+) "', page, re.M))
    rst = set(re.findall(r"^(\w+) [\w|]+ +\S", read("Documentation", "dm-pb.rst").split("any order:")[1].split(
        "Without ``format``")[0], re.M)) - {"N"}
    point("dm-pb.4 and dm-pb.rst have every word of the table line, and no other",
          {f"dm-pb.4: {w}" for w in words ^ shown} | {f"dm-pb.rst: {w}" for w in words ^ rst})


def units():
    """Units that the pages name."""
    known = {os.path.basename(path) for path in glob.glob(os.path.join(TOP, "userspace", "systemd", "*"))}
    command = re.compile(r"systemctl (?:enable|disable|start|stop|restart|status)((?: --now| [\w@.-]+)+)")
    missing = set()
    for path in PAGES:
        text = read(path)
        words = " ".join(command.findall(text))
        for word in words.split() + re.findall(r"-u\s+(pb[\w@.-]+)", text):
            unit = re.sub(r"@.*", "@", word)
            if word.startswith("pb") and not {unit, unit + ".service"} & known:
                missing.add(f"{os.path.basename(path)}: {word}")
    point("every unit that is named exists", missing)


def hook_page():
    """pbviewd-hooks.5 and what a hook's environment has."""
    names = set(re.findall(r'set\("(\w+)"', read("userspace", "pbviewd", "hook.c")))
    page = re.search(r"\.SH ENVIRONMENT(.*?)\.SH", man("pbviewd-hooks.5"), re.S)[1]
    point("pbviewd-hooks.5 has the environment of a hook", names ^ set(re.findall(r"^\.B (\w+)$", page, re.M)))


def guest_example():
    """The guest of examples.rst, and libvirt's schema."""
    text = "examples/guest.xml is a domain by libvirt's schema"
    schema, page = "/usr/share/libvirt/schemas/domain.rng", os.path.join(DOC, "examples", "guest.xml")
    if not shutil.which("xmllint") or not os.path.exists(schema):
        skip(text, "no xmllint or no libvirt0")
        return
    done = subprocess.run(["xmllint", "--noout", "--relaxng", schema, page], capture_output=True, text=True)
    missing = set(done.stderr.splitlines()) if done.returncode else set()
    disk = re.search(r"    (<disk.*?</disk>)", read("Documentation", "examples", "guest.xml"), re.S)[1]
    if re.sub(r"\s+", " ", disk) not in re.sub(r"\s+", " ", read("Documentation", "examples.rst")):
        missing.add("its disk is not the one of examples.rst")
    point(text, missing)


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
    for path in PAGES:
        if path.endswith("pbctl.8"):
            continue
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
    named = {(os.path.basename(path), key) for path in PAGES
             for key in re.findall(r"``([a-z_]+) = (?:\"|true|false|\d)", read(path))}
    table = read("Documentation", "admin.rst").split("\nSetting up")[0]
    named |= {("admin.rst", key) for key in re.findall(r"^``([a-z_]+)`` +\w+ ", table, re.M)}
    point("every setting that is named exists", {f"{name}: {key}" for name, key in named if key not in keys})


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
    said = re.findall(r'\tsay\(p, "([^"]+)"', read("userspace", "pbctl", "advice.c"))
    heads = [re.split(r"[:;,(]|%s$", text)[0].strip() for text in said]
    missing = {head for head in heads if len(head) > 4 and
               not re.search(re.sub(r"%(?:s|llu|u)", lambda _: r"\w+", re.escape(head)), runbook)}
    point("runbook.rst knows every line of advice", missing if len(said) > 20 else {"nothing is said"})


def index():
    """index.rst lists every page, and some page every example."""
    text = read("Documentation", "index.rst")
    names = {os.path.basename(p) for p in PAGES} - {"index.rst", "README.md"}
    missing = {name for name in names if f"``{name}``" not in text}
    text = "".join(read(path) for path in PAGES)
    missing |= {f"examples/{name}" for name in os.listdir(os.path.join(DOC, "examples")) if name not in text}
    point("index.rst lists every page, and every example is named", missing)


def manuals():
    """Manual pages have nothing that a formatter complains of."""
    pages = glob.glob(os.path.join(DOC, "*.[1-9]"))
    for tool, command in (("man", ["man", "-l", "--warnings", "-Tutf8", "-Z"]),
                          ("mandoc", ["mandoc", "-T", "lint", "-W", "warning"])):
        if not shutil.which(tool):
            skip(f"{tool} formats every manual page without a warning", f"no {tool}")
            continue
        bad = set()
        for page in pages:
            done = subprocess.run(command + [page], env={**os.environ, "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            bad |= set((done.stderr + (done.stdout if tool == "mandoc" else "")).splitlines())
        point(f"{tool} formats every manual page without a warning", bad)


def html():
    """make htmldocs has nothing to complain of."""
    text = "make htmldocs makes every page without a warning"
    for tool in ("sphinx-build", "dot"):
        if not shutil.which(tool):
            skip(text, f"no {tool}")
            return
    with tempfile.TemporaryDirectory(prefix="pb-docs-") as tmp:
        done = subprocess.run(["make", "-s", "-C", TOP, f"B={tmp}/", "htmldocs"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        made = {os.path.basename(p)[:-5] for p in glob.glob(f"{tmp}/html/*.html")}
    missing = {name for name in map(os.path.basename, PAGES) if name.endswith(".rst") and name[:-4] not in made}
    point(text, missing | (set(done.stdout.splitlines()) if done.returncode else set()))


def main():
    """All of it."""
    print("TAP version 13")
    for part in (promises, tests_named, tests_listed, code_named, links, questions, pbctl_page, commands, settings, counters,
                 table_words, units, hook_page, guest_example, server_page, index, manuals, html):
        part()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
