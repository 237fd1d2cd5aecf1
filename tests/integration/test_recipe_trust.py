"""Recipes verify downloads before they use them, and unpack them into their folder only."""

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List

import pytest

from recipes.common.data import archive
from tests.integration import cli
from tests.integration.test_recipe_data import SCRIPTS, shell

NAMES = ("../escaped", "a/../../escaped", "/{}/escaped", "..\\escaped", "\\escaped", "c:\\escaped", "c:escaped")
CONTENT = b"text\n"


def tar(path: Path, *members: tarfile.TarInfo) -> str:
    with tarfile.open(str(path), "w") as files:
        for member in members:
            member.size = len(CONTENT) if member.isfile() else 0
            files.addfile(member, io.BytesIO(CONTENT))
    return str(path)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def packed(kind: str, path: Path, name: str) -> str:
    if kind == "tar":
        return tar(path, member(name))
    with zipfile.ZipFile(str(path), "w") as files:
        files.writestr(name, CONTENT)
    return str(path)


def everything(folder: Path) -> List[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out_of_the_folder(kind: str, name: str, tmp_path: Path) -> None:
    path = packed(kind, tmp_path / "evil", name.format(tmp_path))
    before = everything(tmp_path)
    with pytest.raises(ValueError, match="escaped: is not inside the folder that the archive is unpacked to; refused"):
        archive.unpack(path, str(tmp_path / "inside" / "folder"), ["*"])
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", [".", "./", "././", "a/.."])
def test_names_of_the_folder_itself(name: str, tmp_path: Path) -> None:
    path = packed("tar", tmp_path / "evil.tar", name)
    with pytest.raises(ValueError, match="is not inside the folder that the archive is"):
        archive.unpack(path, str(tmp_path / "inside"), ["*"])
    assert everything(tmp_path) == ["evil.tar"]


def test_what_is_no_archive_or_lacks_the_member(tmp_path: Path) -> None:
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="broken.tgz: cannot be unpacked"):
        archive.unpack(str(tmp_path / "broken.tgz"), str(tmp_path / "inside"), ["file"])
    with pytest.raises(ValueError, match="good.tar: has no link"):
        archive.unpack(tar(tmp_path / "good.tar", member("link", tarfile.SYMTYPE, "/etc")), str(tmp_path), ["link"])


LINKS: Dict[str, Any] = {
    "symbolic": (tarfile.SYMTYPE, "{}/outside"),
    "hard": (tarfile.LNKTYPE, "../outside/file"),
    "character device": (tarfile.CHRTYPE, ""),
    "block device": (tarfile.BLKTYPE, ""),
    "pipe": (tarfile.FIFOTYPE, ""),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_are_passed_over(kind: str, tmp_path: Path) -> None:
    """Also if a later file has a path through the link."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "file").write_bytes(b"mine\n")
    number, target = LINKS[kind]
    path = tar(tmp_path / "evil.tar", member("link", number, target.format(tmp_path)), member("link/file"))
    archive.unpack(path, str(inside), ["*"])
    assert (outside / "file").read_bytes() == b"mine\n"
    assert everything(inside) == ["link", "link/file"]
    assert not (inside / "link").is_symlink() and (inside / "link" / "file").read_bytes() == CONTENT


def test_a_link_in_a_zip_file_is_a_file(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(str(tmp_path / "evil.zip"), "w") as files:
        files.writestr(entry, "/etc")
    archive.unpack(str(tmp_path / "evil.zip"), str(tmp_path / "inside"), ["link"])
    assert not (tmp_path / "inside" / "link").is_symlink()
    assert (tmp_path / "inside" / "link").read_text() == "/etc"


def fetched(folder: Path, checksum: str, fails: bool = False, **environment: object) -> str:
    """Fetch data.tar and unpack its file; return the output."""
    script = f'. "{SCRIPTS.parent}/fetch.sh"; begin text; fetch "$URL" data.tar "$1"; unpack "$downloads/data.tar" file'
    command = f'set -euo pipefail; root=$PWD; cd "{folder}"; export PYTHONPATH="{cli.REPOSITORY}"; {script}'
    given = {"URL": f"file://{folder}/remote/data.tar", "PYTHONDONTWRITEBYTECODE": 1, **environment}
    return shell("-c", command, "-", checksum, fails=fails, **given)


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """A data.tar on a server, and its checksum."""
    (tmp_path / "remote").mkdir()
    path = tar(tmp_path / "remote" / "data.tar", member("file"))
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"


WRONG = "sha256:" + 64 * "0"


@pytest.mark.parametrize("where", ["download", "SOURCE", "DOWNLOADS"])
def test_a_wrong_checksum_is_refused_before_unpacking(where: str, remote: str, tmp_path: Path) -> None:
    environment: Dict[str, Any] = {"DOWNLOADS": tmp_path / "downloads", "SOURCE": ""}
    if where == "SOURCE":
        environment["SOURCE"] = tmp_path / "remote"
    if where == "DOWNLOADS":  # put there by hand, or by CHECKSUMS=skip
        fetched(tmp_path, WRONG, CHECKSUMS="skip", **environment)
        assert (tmp_path / "text" / "original" / "file").read_bytes() == CONTENT
        (tmp_path / "text" / "original" / "file").unlink()
    output = fetched(tmp_path, WRONG, fails=True, **environment)
    assert f"expected {64 * '0'}; it is damaged or another file: remove it, and get it again" in output
    assert output.count("\n") == 1
    assert not (tmp_path / "text" / "original" / "file").exists()
    if where == "download":
        assert everything(tmp_path / "downloads") == ["data.tar.part"]
    fetched(tmp_path, remote, **environment)
    assert (tmp_path / "text" / "original" / "file").read_bytes() == CONTENT


def test_an_interrupted_download_is_not_used(remote: str, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    part = tmp_path / "downloads" / "data.tar.part"
    part.write_bytes((tmp_path / "remote" / "data.tar").read_bytes()[:600])
    gone = f"file://{tmp_path}/gone.tar"
    output = fetched(tmp_path, remote, fails=True, URL=gone, DOWNLOADS=tmp_path / "downloads")
    assert "cannot download data.tar from" in output
    assert everything(tmp_path / "downloads") == ["data.tar.part"] and not (tmp_path / "text" / "original").exists()
    fetched(tmp_path, remote, DOWNLOADS=tmp_path / "downloads")
    assert (tmp_path / "text" / "original" / "file").read_bytes() == CONTENT
