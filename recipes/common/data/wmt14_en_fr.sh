#!/usr/bin/env bash
# WMT'14 English-French: wmt14_en_fr.sh TEXT
#
# Writes TEXT/{train,valid,newstest2014}.{en,fr}. Training: all parallel corpora of that year's task (Europarl v7, Common
# Crawl, UN, News Commentary v9, Giga), punctuation normalised, pairs of 1 to 175 tokens with a ratio of at most 1.5, as in
# fairseq's prepare-wmt14en2fr.sh (which counts sub-words, up to 250). valid is newstest2013. fetch.sh explains the
# environment variables.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=recipes/common/fetch.sh
source "$here/../fetch.sh"
# shellcheck source=recipes/common/wmt.sh
source "$here/../wmt.sh"

begin "$@"
newstest 2014 en fr
newstest 2013 en fr valid
for name in europarl-v7 commoncrawl un news-v9 giga-fren; do corpus $name en fr; done
run python -m recipes.common.data.parallel "$text/train" en fr --longest 175 --ratio 1.5 --split-hyphens \
    --normalize-punctuation --workers "$(workers)" --source "${sources[@]}" --target "${targets[@]}"
finish
