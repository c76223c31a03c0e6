#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""'pbctl metrics', its list in metrics.rst, and the alerts and the dashboard that use it: none knows another metric.

pbctl is over a module that is made up, see test_shown.py.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from test_shown import TOP, Tool, build, point, results

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("PB_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dm-pb")
EXAMPLES = os.path.join(TOP, "Documentation", "examples")
SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.e+-]+)$')


def read(*path):
    """A file of the tree."""
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def parse(text):
    """{name: (type, help)}, [(name, labels, value)] and what is no line of the format."""
    helps, types, samples, bad, current = {}, {}, [], [], None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current, _, helps[current] = line[7:].partition(" ")
        elif line.startswith("# TYPE "):
            name, _, types[name] = line[7:].partition(" ")
            bad += [line] if name != current or name in [s[0] for s in samples] else []
        else:
            match = SAMPLE.match(line)
            if not match or match.group(1) != current:
                bad.append(line)
            else:
                samples.append((match.group(1), dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match.group(2) or "")),
                                float(match.group(3))))
    return {name: (types.get(name), helps[name]) for name in helps}, samples, bad


def printed(tool):
    """What is printed for two volumes; checked for its form."""
    done = tool.run("db,web,a-volume-cut-off,old", "metrics")
    metrics, samples, bad = parse(done.stdout)
    point("the format is Prometheus'", done.returncode == 0 and len(metrics) > 60 and not bad, "\n".join(bad) or done)
    series = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples]
    point("no series twice", len(series) == len(set(series)))
    point("names end with their unit, and with _total if and only if they count", all(
        name.startswith("dmpb_") and name.endswith("_total") == (kind == "counter") and kind in ("counter", "gauge")
        for name, (kind, _) in metrics.items()) and
        all(name.endswith(("_total", "_bytes")) for name in metrics if "bytes" in name), metrics)
    enum = re.search(r"enum pb_counter \{(.*?)PB_CNT_NR", read("kmod", "uapi", "linux", "dm-pb.h"), re.S).group(1)
    counters = {name.lower() for name in re.findall(r"PB_CNT_(\w+)", enum)}
    have = {re.sub(r"^dmpb_|_total$", "", name) for name, (kind, _) in metrics.items() if kind == "counter"}
    missing = {c for c in counters if c not in have and c + "_bytes" not in have}
    point("every counter of the module is there", not missing, missing)

    def value(name, **labels):
        found = [v for n, have, v in samples if n == "dmpb_" + name and labels.items() <= have.items()]
        return found[0] if len(found) == 1 else found

    point("values", value("view", volume="db") == 7 and value("role", volume="db", role="primary") == 1 and
          value("role", volume="old", role="primary") == 0 and value("oldest_wait_seconds", volume="a-volume-cut-off") == 12.345
          and value("resync_left_bytes", volume="web") == 250 << 20 and value("size_bytes", volume="db") == 1 << 30 and
          value("link_up", volume="db", peer="beta", side="downstream") == 1 and value("module_info", version="9.8.7") == 1
          and value("view_synced_members", volume="web") == 1 and value("writes_total", volume="db") > 3000000, done.stdout)
    advice = {labels["state"] for name, labels, _ in samples if name == "dmpb_advice" and labels["volume"] != "db"}
    point("advice is there for who needs it", {"no link to backup", "resync runs", "deposed"} <= advice and
          value("advice", volume="db") == [], advice)
    metrics_without, samples, bad = parse(tool.run(None, "metrics").stdout)
    point("without the module: the same metrics, and that it is not loaded", metrics_without == metrics and not bad and
          ("dmpb_module_loaded", {}, 0.0) in samples and len(samples) == 2, samples)
    return metrics, samples, done.stdout


def to_file(tool, tmp):
    """--output: replaced as a whole, readable for all."""
    path = os.path.join(tmp, "dir", "dm-pb.prom")
    os.mkdir(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as f:
        f.write("old")
    old = os.stat(path).st_ino
    done = tool.run("db", "metrics", "--output", path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    point("--output replaces the file", done.returncode == 0 and not done.stdout and "dmpb_view{" in text and
          os.stat(path).st_ino != old and os.stat(path).st_mode & 0o777 == 0o644, done)
    point("and leaves nothing else", os.listdir(os.path.dirname(path)) == ["dm-pb.prom"], os.listdir(os.path.dirname(path)))
    done = tool.run("db", "metrics", "-o", os.path.join(tmp, "none", "x"))
    point("a directory that is not there", done.returncode == 1 and done.stderr.count("\n") == 1, done)


def documented(metrics, samples):
    """metrics.rst: the same names, types, labels and texts."""
    text = read("Documentation", "metrics.rst")
    listed = {}
    for name, kind, labels, what in re.findall(r"^``(dmpb_\w+)`` \((\w+)(?:; ([\w, ]+))?\)\n    (.*)$", text, re.M):
        listed[name] = (kind, what, set(labels.split(", ")) - {""})
    point("metrics.rst lists every metric", not set(metrics) - set(listed), set(metrics) - set(listed))
    point("and no other", not set(re.findall(r"dmpb_\w+", text)) - set(metrics), set(re.findall(r"dmpb_\w+", text)) - set(metrics))
    wrong = [name for name, (kind, what) in metrics.items() if listed.get(name, ())[:2] != (kind, what)]
    point("with type and meaning as printed", not wrong, wrong)
    wrong = {name for name, labels, _ in samples if set(labels) - {"volume"} != listed.get(name, (0, 0, 0))[2]}
    point("and with its labels", not wrong, wrong)


def used(metrics):
    """alerts.yml and grafana.json name metrics that exist, here or on the view server."""
    known = set(metrics) | set(re.findall(r'"(pbviewd_\w+)"', read("userspace", "pbviewd", "page.c")))
    for name in ("alerts.yml", "grafana.json"):
        names = set(re.findall(r"\b(?:dmpb|pbviewd)_\w+", read("Documentation", "examples", name)))
        point(f"{name}: every metric exists", len(names) > 10 and not names - known, names - known)
    states = set(re.findall(r'^\t\{ "([a-z ]+)",\t', read("userspace", "pbctl", "advice.c"), re.M))
    named = {s for group in re.findall(r'dmpb_advice\{state[!=~]+"([^"]+)"', read("Documentation", "examples", "alerts.yml"))
             for s in group.split("|")}
    point("alerts.yml: every state of advice exists", named and not named - states, named - states)
    board = json.loads(read("Documentation", "examples", "grafana.json"))
    bad = [panel["title"] for panel in board["panels"] if not panel["targets"] or not panel["description"] or
           not panel["fieldConfig"]["defaults"]["unit"]]
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    point("grafana.json: panels have queries, units and places of their own", len(board["panels"]) > 8 and not bad and
          len(set(places)) == len(places), bad)


def promtool(text):
    """Prometheus' own opinion; and alerts_test.yml: alerts come when they should, and not before."""
    unpacked = os.path.join(CACHE, "prometheus", "usr", "bin", "promtool")
    tool = shutil.which("promtool") or shutil.which(unpacked)
    with tempfile.TemporaryDirectory(prefix="pb-alerts-") as tmp:
        for path in (os.path.join(EXAMPLES, "alerts.yml"), os.path.join(HERE, "alerts_test.yml")):
            shutil.copy(path, tmp)
        for args, given in ((["check", "rules", "alerts.yml"], None), (["test", "rules", "alerts_test.yml"], None),
                            (["check", "metrics"], text)):
            name = " ".join(["promtool", *args])
            if not tool:
                results.append(True)
                print(f"ok {len(results)} - {name} # SKIP no promtool: scripts/deps.sh long")
                continue
            done = subprocess.run([tool, *args], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, check=False, cwd=tmp)
            point(name, done.returncode == 0, done.stdout)


def main():
    """All of it."""
    print("TAP version 13")
    with tempfile.TemporaryDirectory(prefix="pb-metrics-") as tmp:
        tool = Tool(build(os.path.join(tmp, "build")))
        metrics, _, text = printed(tool)
        to_file(tool, tmp)
    documented(metrics, parse(text)[1])
    used(metrics)
    promtool(text)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
