#!/usr/bin/env bash
# IWSLT'14 German-English with fairseq's split: iwslt14_de_en.sh TEXT
#
# Writes TEXT/{train,valid,test}.{de,en}, lowercased, not tokenised. As in fairseq's prepare-iwslt14.sh (which counts
# 160,239, 7,283 and 6,750 pairs) pairs of 1 to 175 tokens with a ratio of at most 1.5 are kept, every 23rd is for
# validation, and the test set is all five dev and test sets in one. fetch.sh explains the environment variables.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${IWSLT14_URL:-https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz}
# 19,982,877 bytes. From a public script that downloads this file; fairseq publishes none.
checksum=${IWSLT14_CHECKSUM-md5:10936dfdf616504ddbd844e91b94ef4a}

begin "$@"
fetch "$url" de-en.tgz "$checksum" "It is the pair de-en of WIT3's release 2014-01 (wit3.fbk.eu/2014-01)."
original=$text/original
tests=(de-en/IWSLT14.{TED.dev2010,TEDX.dev2012,TED.tst2010,TED.tst2011,TED.tst2012}.de-en)
unpack "$downloads/de-en.tgz" de-en/train.tags.de-en.{de,en} "${tests[@]/%/.de.xml}" "${tests[@]/%/.en.xml}"
tests=("${tests[@]/#/$original/}") train=$original/de-en/train.tags.de-en
run python -m recipes.common.data.parallel "$text/test" de en --straight-quotes --lowercase \
    --source "${tests[@]/%/.de.xml}" --target "${tests[@]/%/.en.xml}"
run python -m recipes.common.data.parallel "$text/train" de en --every 23 --held-out "$text/valid" \
    --longest 175 --ratio 1.5 --lowercase --workers "$(workers)" \
    --source "$train.de" --target "$train.en"
finish
