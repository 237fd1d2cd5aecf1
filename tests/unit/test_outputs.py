"""Output files are complete or absent, and errors name the file."""

import errno
from pathlib import Path

import pytest

from fairseq_flexdepth.files.outputs import replaced


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"^\[Errno 28\] No space left on device: '.*/new.png'$"),
        (OSError("encoder error -2 when writing image file"), "^.*/new.png: encoder error -2 when writing image file$"),
    ],
    ids=["of the system", "of a library"],
)
def test_an_error_names_the_file_and_its_cause(error: OSError, message: str, tmp_path: Path) -> None:
    path = tmp_path / "new.png"
    path.write_text("old")
    with pytest.raises(OSError, match=message), replaced(str(path)) as partial:
        Path(partial).write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
