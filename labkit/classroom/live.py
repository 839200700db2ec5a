"""The live panel as a page, for a place beside the notebook: `python -m labkit.classroom.live SOCKET`.

JupyterLab starts it when the page is first opened, passes its answers on behind its own login, and ends it.
"""

from __future__ import annotations

import http.server
import socketserver
import sys
from html import escape

from labkit.classroom.drawings import cluster_svg
from labkit.classroom.text import t
from labkit.lab import start
from labkit.parallel.cluster import status
from labkit.parallel.service import die_with_parent

_PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{title}</title>
<body style="margin:8px;background:white"><main id="panel" aria-live="off"></main><script>
async function follow() {{
  if (!document.hidden) {{
    const answer = await fetch("cluster.svg").catch(() => null);
    if (answer && answer.ok) document.getElementById("panel").innerHTML = await answer.text();
  }}
  setTimeout(follow, 2000);
}}
follow();
</script>"""


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with the page, and with the picture that it asks for again and again."""

    def do_GET(self) -> None:
        """Answer a request."""
        lab = start()
        lang = lab.settings.lang
        if self.path.endswith("cluster.svg"):
            kind, text = "image/svg+xml", cluster_svg(status(lab.folder), lang)
        else:
            kind, text = "text/html; charset=utf-8", _PAGE.format(lang=lang, title=escape(t("cluster.title", lang)))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves on a socket in a folder that is its owner's alone, so that the picture is nobody else's."""

    daemon_threads = True


if __name__ == "__main__":
    die_with_parent()
    Server(sys.argv[1], Page).serve_forever()
