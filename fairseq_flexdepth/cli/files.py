"""Writing results so that nobody sees them half-written."""

import os


def write_whole(path: str, text: str) -> None:
    """Write a file under a temporary name and rename it, so that it is never seen half-written."""
    partial = f"{path}.part"
    with open(partial, "w", encoding="utf-8") as output:
        output.write(text)
    os.replace(partial, path)
