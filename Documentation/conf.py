# SPDX-License-Identifier: GPL-2.0
"""Sphinx: these pages as HTML, "make htmldocs".

A page is named in the text as a reader of the source needs it, "runbook.rst", and becomes a link
here, as in the kernel's documentation.  "kernel-doc" is a directive that includes the comments of a
header, if the kernel's script is on this host.
"""

import glob
import os
import re
import subprocess

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

project = "dm-pb"
copyright = "The dm-pb authors"  # pylint: disable=redefined-builtin
extensions = ["sphinx.ext.graphviz"]
root_doc = "index"
highlight_language = "none"
graphviz_output_format = "svg"
html_theme = "alabaster"
html_theme_options = {"description": "A replicated disk for Linux", "page_width": "65em", "sidebar_width": "15em",
                      "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "searchbox.html", "localtoc.html", "navigation.html"]}
html_copy_source = False
# Types of C that are not the project's own.
nitpick_ignore_regex = [("c:identifier", r".*")]


class PageLinks(SphinxTransform):
    """NAME.rst in the text is a link to that page."""

    default_priority = 400
    name = re.compile(r"\b([a-z][a-z-]*)\.rst\b")

    def apply(self, **kwargs):
        """Look at each piece of text that is no title, no literal and no link."""
        for text in list(self.document.findall(nodes.Text)):
            if isinstance(text.parent, (nodes.literal, nodes.literal_block, nodes.title, nodes.reference,
                                        nodes.comment, addnodes.pending_xref)):
                continue
            parts, end, plain = [], 0, text.astext()
            for match in self.name.finditer(plain):
                if match[1] not in self.env.found_docs or match[1] == self.env.docname:
                    continue
                link = addnodes.pending_xref("", nodes.inline(match[0], match[0]), refdomain="std", reftype="doc",
                                             reftarget="/" + match[1], refdoc=self.env.docname, refexplicit=True,
                                             refwarn=True)
                parts += [nodes.Text(plain[end:match.start()]), link]
                end = match.end()
            if parts:
                text.parent.replace(text, parts + [nodes.Text(plain[end:])])


class KernelDoc(Directive):
    """.. kernel-doc:: FILE, below the top of the tree."""

    required_arguments = 1
    has_content = False

    def run(self):
        """What the kernel's script makes of it; without the script, where to read it."""
        path = os.path.join(TOP, self.arguments[0])
        self.state.document.settings.env.note_dependency(path)
        scripts = sorted(glob.glob("/usr/lib/linux-kbuild-*/scripts/kernel-doc"))
        if scripts:
            made = subprocess.run([scripts[-1], "-rst", "-sphinx-version", "5.3.0", path],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if made.returncode:
                raise self.error(f"{self.arguments[0]}: {made.stderr}")
            lines = made.stdout.replace("*undescribed*", "").splitlines()
        else:
            lines = [f"In ``{self.arguments[0]}``; the script that puts it here, kernel-doc, is not on this host."]
        box = nodes.section()
        box.document = self.state.document
        self.state.nested_parse(StringList(lines, path), 0, box)
        return box.children


def setup(app):
    """Called by Sphinx."""
    app.add_transform(PageLinks)
    app.add_directive("kernel-doc", KernelDoc)
    return {"parallel_read_safe": True}
