#!/usr/bin/env bash
# IWSLT'15 Thai-English: iwslt15_th_en.sh TEXT
#
# Writes TEXT/{train,valid,test}.{th,en}; pairs of 1 to 175 tokens train. The paper (sequence_kd) validates on 2010, 2011 and
# 2012 and tests on 2012 and 2013; here 2012 is a test set only. A set that the archive lacks is left out with a message.
# Thai has no spaces between words, Moses' tokenizer adds none: SEGMENTER is a command that reads Thai text on its
# standard input and writes it in words, line by line; SEGMENTER=none leaves the text as it is. fetch.sh explains the other
# environment variables.
#
# SOURCE may contain th-en.tgz, or the archive of the whole year, 2015-01.tgz, which contains it.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${IWSLT15_URL:-https://wit3.fbk.eu/archive/2015-01/texts/th/en/th-en.tgz} # dead: fairseq#3623, #4361
checksum=${IWSLT15_CHECKSUM-} # none is published
hint="Links to single pairs are dead; wit3.fbk.eu/2015-01 leads to a Google Drive with 2015-01.tgz, which SOURCE may have instead."

try_segmenter() { # stop if SEGMENTER does not split a Thai sentence into words
    local words
    words=$(timeout 60 bash -c "$SEGMENTER" <<<"ภาษาไทยไม่มีช่องว่างระหว่างคำ") || {
        refuse "SEGMENTER=$SEGMENTER: failed with status $? on a Thai sentence; expected a command that writes its words"
        return 0
    }
    case $words in
        *$'\n'*) refuse "SEGMENTER=$SEGMENTER: wrote several lines for a Thai sentence; expected one" ;;
        *[![:space:]]" "[![:space:]]*) ;;
        *) refuse "SEGMENTER=$SEGMENTER: wrote '$words' for a Thai sentence; expected several words with spaces between them" ;;
    esac
}

begin "$@"
case ${SEGMENTER:-} in
    "") refuse "SEGMENTER: expected a command that reads Thai text and writes its words with spaces between them, or none" ;;
    none) ;;
    *) [ "${DRY_RUN:-data}" != data ] || try_segmenter ;;
esac
pair=$text/original/2015-01/texts/th/en/th-en.tgz
if [ -e "${SOURCE:-}/2015-01.tgz" ]; then
    fetch "" 2015-01.tgz "" "$hint"
    unpack "$downloads/2015-01.tgz" "${pair#"$text/original/"}"
else
    fetch "$url" th-en.tgz "$checksum" "$hint"
    pair=$downloads/th-en.tgz
fi
unpack "$pair" th-en/train.tags.th-en.{th,en} 'th-en/IWSLT15.TED*.xml'

segment() { # segment FILE...: split Thai text into words, in place
    local file
    [ "${SEGMENTER:-none}" != none ] || return 0
    for file; do run_to "$file.words" bash -c "$SEGMENTER <\"\$1\"" - "$file"; run mv "$file.words" "$file"; done
}
pairs() { # pairs NAME PARTS OPTIONS...: write one split from its parts, as far as they exist
    local name=$1 part original thai=() english=()
    for part in $2; do
        original=$text/original/th-en/$part
        if [ -z "${DRY_RUN:-}" ] && [ ! -e "$original.th" ] && [ ! -e "$original.th.xml" ]; then
            say "$part: not in th-en.tgz, left out of $name"
            continue
        fi
        case $part in
            train*) thai+=("$original.th") english+=("$original.en") ;;
            *) thai+=("$original.th.xml") english+=("$original.en.xml") ;;
        esac
    done
    run python -m recipes.common.data.parallel "$text/$name" th en --source "${thai[@]}" --target "${english[@]}" "${@:3}"
    segment "$text/$name.th"
}
pairs train train.tags.th-en --longest 175 --workers "$(workers)"
pairs valid "IWSLT15.TED.dev2010.th-en IWSLT15.TED.tst2010.th-en IWSLT15.TED.tst2011.th-en"
pairs test "IWSLT15.TED.tst2012.th-en IWSLT15.TED.tst2013.th-en"
finish
