"""Whether a file can be downloaded, and how large it is; nothing is downloaded."""

import http.client
import urllib.error
import urllib.request
from typing import NamedTuple

SECONDS = 8  # until a server counts as dead


class Answer(NamedTuple):
    """The answer of a server."""

    trouble: str  # empty if it has the file
    size: int  # in bytes; 0 if it does not say


def _size(headers: http.client.HTTPMessage) -> int:
    """Return the size of the whole file, also from the answer to a request for its first byte."""
    size = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return int(size) if size.isdigit() else 0


def ask(url: str) -> Answer:
    """Ask for a file's header, or for its first byte where the server refuses to give the header alone."""
    trouble = ""
    for method, wanted in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):
        # curl, which will download the file: some servers refuse Python
        request = urllib.request.Request(url, method=method, headers={"User-Agent": "curl", **wanted})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                if response.headers.get_content_type() == "text/html":
                    return Answer("it is a web page, not a file", 0)
                return Answer("", _size(response.headers))
        except urllib.error.HTTPError as error:
            trouble = f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            trouble = str(getattr(error, "reason", error))
    return Answer(trouble, 0)
