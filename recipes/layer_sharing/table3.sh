#!/usr/bin/env bash
# Table 3 of Takase & Kiyono: BLEU from German to English, and from English to French and back. recipes/README.md explains
# SCALE, WORK, SOURCE, JOBS, GPUS, SEEDS and DRY_RUN.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

systems=(vanilla universal sequence-3 cycle-3 cycle_rev-3)
[ "$SCALE" != smoke ] || systems=(vanilla cycle_rev-3)
[ "$SCALE" = paper ] || table_note="M and N are the paper's: here M=$M, and N=$((3 * M)) for 18."

translate() { # translate SOURCE TARGET: all systems in a direction
    prefix=$1-$2-
    direction "$1" "$2"
    each scored "${systems[@]/#/$prefix}"
}

german() { # use Table 1's corpus
    translation_corpus wmt16_en_de
    [ "$tests" = test ] || test_sets=(newstest2013 newstest2014)
    corpus_folder "$work"
}

french() {
    translation_corpus wmt14_en_fr
    corpus_folder "$work/en-fr"
}

german
corpora=(german)
[ "$tests" = test ] || corpora+=(french)
for name in "${corpora[@]}"; do
    "$name"
    prepare_corpus
done

german
translate de en
columns=()
scores() { # scores COLUMN DIRECTION TEST-SET: add a column to $columns
    columns+=("$1=$2-{system}/scores/$3:bleu vs $2-universal/scores/$3:bleu")
}
scores de_en_2013 de-en newstest2013
scores de_en_2014 de-en "${test_sets[-1]}"
if [ "$tests" != test ]; then
    french
    translate en fr
    translate fr en
    for pair in en-fr fr-en; do
        for year in 2013 2014; do scores "${pair/-/_}_$year" "$pair" "newstest$year"; done
    done
fi
table table3 "${columns[@]}"
