#!/usr/bin/env bash
# The multitarget TED talks of Johns Hopkins, one language and English: ted.sh TEXT LANGUAGE (pt, tr, ...)
#
# Writes TEXT/{train,valid,test}.{LANGUAGE,en}: the corpus' own split, dev (1,958 pairs) and test1 (1,982); pairs of 1 to
# 250 tokens train. Its dev and test are as large as ckd's for Turkish. That paper's Portuguese (167,000, 7,590 and 5,388
# pairs) is IWSLT'14's, whose link is dead. fetch.sh explains the environment variables.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${TED_URL:-https://www.cs.jhu.edu/~kevinduh/a/multitarget-tedtalks/multitarget-ted.tgz}
checksum=${TED_CHECKSUM-} # none is published

# shellcheck disable=SC2034  # for begin
usage=" LANGUAGE"
[ $# = 2 ] || begin
language=$2
begin "$1"
fetch "$url" multitarget-ted.tgz "$checksum" "Its page is www.cs.jhu.edu/~kevinduh/a/multitarget-tedtalks."
folder=multitarget-ted/en-$language/raw
split() { echo "$folder/ted_$1_en-$language.raw"; } # split NAME: print the names of its files without the language
unpack "$downloads/multitarget-ted.tgz" \
    "$(split train)".{"$language",en} "$(split dev)".{"$language",en} "$(split test1)".{"$language",en}
pairs() { # pairs NAME SPLIT OPTIONS...
    local original
    original=$text/original/$(split "$2")
    run python -m recipes.common.data.parallel "$text/$1" "$language" en \
        --source "$original.$language" --target "$original.en" "${@:3}"
}
pairs train train --longest 250 --workers "$(workers)"
pairs valid dev
pairs test test1
finish
