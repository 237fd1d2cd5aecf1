#!/usr/bin/env bash
# WMT'18 English-German without ParaCrawl: wmt18_en_de.sh TEXT
#
# Writes TEXT/{train,valid,newstest2018}.{en,de}. Training: all parallel corpora of that year's task but ParaCrawl, which
# are Europarl v7, Common Crawl, News Commentary v13 and Rapid 2016, pairs of 1 to LONGEST (default: 80) tokens. The paper
# has 5.58 million pairs and does not say by which rule. valid is newstest2017. fetch.sh explains the environment variables.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=recipes/common/fetch.sh
source "$here/../fetch.sh"
# shellcheck source=recipes/common/wmt.sh
source "$here/../wmt.sh"

begin "$@"
newstest 2018 en de
newstest 2017 en de valid
for name in europarl-v7 commoncrawl news-v13 rapid2016; do corpus $name en de; done
run python -m recipes.common.data.parallel "$text/train" en de --longest "${LONGEST:-80}" --workers "$(workers)" \
    --source "${sources[@]}" --target "${targets[@]}"
finish
