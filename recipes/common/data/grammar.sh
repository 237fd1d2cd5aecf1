#!/usr/bin/env bash
# The grammar corpus, German-English: grammar.sh TEXT
#
# Writes TEXT/{train,valid,test}.{de,en}: 30,000, 1,000 and 3,000 pairs of the quickstart's grammar (examples/quickstart/corpus).
# A German sentence has several right translations, which differ in words and in word order; one is drawn at random. Nothing is
# downloaded; SOURCE may be a folder with the six files. fetch.sh explains the environment variables.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
begin "$@"
if [ -n "${SOURCE:-}" ]; then
    for split in train valid test; do
        for language in de en; do
            fetch "" "$split.$language" ""
            run_to "$text/$split.$language" cat "$downloads/$split.$language"
        done
    done
else
    run python "$repository/examples/quickstart/corpus/generate.py" --output "$text" --pairs 30000 --valid 1000 --test 3000 \
        --seed 1 --variants
fi
finish
