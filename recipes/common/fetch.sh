# shellcheck shell=bash
# Functions of the data scripts: find or download files, verify and unpack them. Sourced; it sources run.sh.
#
# Environment: SOURCE, a folder with the original files, used instead of downloading; DOWNLOADS, the folder for downloads
# (default: TEXT/downloads; several data sets may share one folder, as the WMT sets have common files); CHECKSUMS=skip, do
# not verify files (for miniatures only); WORKERS, number of processes that clean text (default: one per core).
# shellcheck source=recipes/common/run.sh
source "$(dirname "${BASH_SOURCE[0]}")/run.sh"

# begin TEXT: start making the data in folder TEXT; end the script if it exists already. Sets $text and $downloads.
begin() {
    [ $# = 1 ] || die "usage: $(basename "$0") TEXT$usage"
    text=$1 downloads=${DOWNLOADS:-$1/downloads}
    [ -z "${SOURCE:-}" ] || downloads=$1/source # links to SOURCE, apart from what was downloaded
    if [ -e "$text/.done" ]; then say "$text: exists already"; exit 0; fi
    [ -z "${SOURCE:-}" ] || [ -d "$SOURCE" ] || refuse "SOURCE=$SOURCE: no such folder"
    run mkdir -p "$text" "$downloads"
    # Unfinished files of an interrupted run are named *.part; they are written again, and downloads are resumed.
}
usage=

refuse() { # refuse MESSAGE: end the script; a dry run goes on, and ends without success, since it is to print all mistakes
    say "error: $*"
    [ -n "${DRY_RUN:-}" ] || exit 1
    refused=1
}
refused=0

finish() { # finish: mark the data as complete
    run touch "$text/.done"
    [ -n "${DRY_RUN:-}" ] || say "$text: done"
    return $refused
}

# fetch URL FILE CHECKSUM [HINT]: download URL to $downloads/FILE, or link to it in SOURCE, and verify it. CHECKSUM is sha256:...
# or md5:..., or empty if none is published. HINT tells users another place if URL is dead. FILE may contain folders; in
# SOURCE it may be in these folders or at the top. A file that was downloaded before SOURCE was set need not be in SOURCE.
fetch() {
    local url=$1 file=$downloads/$2 checksum=$3 hint=${4:-} name found
    name=$(basename "$2")
    run mkdir -p "$(dirname "$file")"
    if [ -n "${SOURCE:-}" ]; then
        for found in "$SOURCE/$2" "$SOURCE/$name" "${DOWNLOADS:-$text/downloads}/$2"; do [ ! -e "$found" ] || break; done
        [ -e "$found" ] || found=$SOURCE/$2
        needs "$found" "$url" "$hint"
        if [ -z "${DRY_RUN:-}" ]; then
            [ -e "$found" ] || die "SOURCE=$SOURCE has no $name ($url)${hint:+; $hint}"
            found=$(cd "$(dirname "$found")" && pwd)/$name
        fi
        verify "$found" "$checksum"
        run ln -sfn "$found" "$file"
        return
    fi
    needs "$file" "$url" "$hint"
    if [ -e "$file" ]; then # complete, but perhaps copied by hand or fetched with CHECKSUMS=skip
        verify "$file" "$checksum"
        return
    fi
    run curl --fail --location --show-error --silent --retry 5 --connect-timeout 30 --continue-at - \
        --output "$file.part" "$url" || die "cannot download $name from $url. ${hint:-Its link may be dead.}
  Put $name into $(dirname "$file"), or set SOURCE=folder, a folder with all files that are not there yet."
    verify "$file.part" "$checksum"
    run mv "$file.part" "$file"
}

needs() { # needs FILE URL HINT: with DRY_RUN=data tell check.py which file is needed
    [ "${DRY_RUN:-}" != data ] || run need "$@"
}

verify() { # verify FILE CHECKSUM: end the script with one message if the file has another checksum
    if [ "${CHECKSUMS:-}" = skip ]; then say "CHECKSUMS=skip: $1 is used unverified"; return; fi
    if [ -z "$2" ]; then say "$1: not verified, since no checksum is published"; return; fi
    run python -m recipes.common.data.archive check "$1" "$2" || exit 1
}

# unpack ARCHIVE MEMBER...: unpack members (names or patterns) of an archive to $text/original, unless they exist there.
unpack() {
    run python -m recipes.common.data.archive unpack "$1" "$text/original" "${@:2}" || exit 1
}
