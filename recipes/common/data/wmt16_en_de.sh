#!/usr/bin/env bash
# WMT'16 English-German: wmt16_en_de.sh TEXT
#
# Writes TEXT/{train,valid,newstest2010,...,newstest2016,newstest2018,newstest2019}.{en,de}. Training: Europarl v7, Common
# Crawl and News Commentary v11, pairs of 1 to LONGEST (default: 80) tokens. 80 is the limit of google/seq2seq's
# wmt16_en_de.sh, whose result (4.5 million pairs) the papers used; it can no longer be downloaded ready-made. valid is
# newstest2013. fetch.sh explains the environment variables.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=recipes/common/fetch.sh
source "$here/../fetch.sh"
# shellcheck source=recipes/common/wmt.sh
source "$here/../wmt.sh"

begin "$@"
for year in 2010 2011 2012 2013 2014 2015 2016 2018 2019; do newstest $year en de; done
for language in en de; do run cp "$text/newstest2013.$language" "$text/valid.$language"; done
for name in europarl-v7 commoncrawl news-v11; do corpus $name en de; done
run python -m recipes.common.data.parallel "$text/train" en de --longest "${LONGEST:-80}" --workers "$(workers)" \
    --source "${sources[@]}" --target "${targets[@]}"
finish
