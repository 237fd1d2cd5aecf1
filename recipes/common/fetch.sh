# shellcheck shell=bash
# How the data scripts get their files: local or downloaded, verified, unpacked. Sourced; it brings run.sh along.
#
# In the environment: SOURCE, a folder with the original files, used instead of downloading; DOWNLOADS, where downloads go
# (default: TEXT/downloads; several data sets may share one folder, the WMT sets have files in common); CHECKSUMS=skip, not
# to verify files, which is for miniatures alone; WORKERS, how many processes clean text (default: one a processor).
# shellcheck source=recipes/common/run.sh
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"

# begin TEXT: where the data goes; ends the script where it is there already. Sets text and downloads.
begin() {
    [ $# = 1 ] || die "usage: $(basename "$0") TEXT$usage"
    text=$1 downloads=${DOWNLOADS:-$1/downloads}
    [ -z "${SOURCE:-}" ] || downloads=$1/source # links to SOURCE, apart from what was downloaded
    if [ -e "$text/.done" ]; then say "$text: there already"; exit 0; fi
    [ -z "${SOURCE:-}" ] || [ -d "$SOURCE" ] || die "SOURCE=$SOURCE: no such folder"
    run mkdir -p "$text" "$downloads"
    # Whatever an interrupted run left behind half-written is in *.part files, which are written anew (or gone on with).
}
usage=

finish() { # finish: everything is there
    run touch "$text/.done"
    [ -n "${DRY_RUN:-}" ] || say "$text: done"
}

# fetch URL FILE CHECKSUM [HINT]: FILE below $downloads, verified, from URL, or as a link into SOURCE. CHECKSUM is sha256:...
# or md5:..., or nothing where none is published. HINT says where people get the file when URL is dead. In SOURCE, FILE
# may lie in the folders that are part of its name here, or right at the top.
fetch() {
    local url=$1 file=$downloads/$2 checksum=$3 hint=${4:-} name found
    name=$(basename "$2")
    run mkdir -p "$(dirname "$file")"
    if [ -n "${SOURCE:-}" ]; then
        found=$SOURCE/$2
        [ -e "$found" ] || [ ! -e "$SOURCE/$name" ] || found=$SOURCE/$name
        if [ -z "${DRY_RUN:-}" ]; then
            [ -e "$found" ] || die "SOURCE=$SOURCE has no $name ($url)${hint:+; $hint}"
            found=$(cd "$(dirname "$found")" && pwd)/$name
        fi
        verify "$found" "$checksum"
        run ln -sfn "$found" "$file"
        return
    fi
    if [ -e "$file" ]; then # whole, but maybe put there by hand or under CHECKSUMS=skip
        verify "$file" "$checksum"
        return
    fi
    run curl --fail --location --show-error --silent --retry 5 --connect-timeout 30 --continue-at - \
        --output "$file.part" "$url" || die "cannot download $name from $url. ${hint:-Its link may be dead.}
  Put $name into a folder and set SOURCE=folder: it is then taken from there."
    verify "$file.part" "$checksum"
    run mv "$file.part" "$file"
}

verify() { # verify FILE CHECKSUM: ends the script, with one message, if the file is not what it should be
    if [ "${CHECKSUMS:-}" = skip ]; then say "CHECKSUMS=skip: $1 is used unverified"; return; fi
    if [ -z "$2" ]; then say "$1: unverified, no checksum of it is published"; return; fi
    run python -m recipes.common.data.archive check "$1" "$2" || exit 1
}

# unpack ARCHIVE MEMBER...: members (patterns allowed) of an archive, into $text/original, unless they are there.
unpack() {
    run python -m recipes.common.data.archive unpack "$1" "$text/original" "${@:2}" || exit 1
}
