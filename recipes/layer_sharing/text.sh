#!/usr/bin/env bash
# Footnote 2 of Takase & Kiyono: BLEU by the procedure of Vaswani et al., which splits compounds at their hyphens, beside
# sacrebleu's, of a model of Table 1 and of the best one of Table 2. recipes/README.md explains SCALE, WORK, SOURCE, JOBS,
# GPUS, SEEDS and DRY_RUN; README.md here describes PAIRS, a folder that SCALE=paper needs.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

by_vaswani() { # by_vaswani SYSTEM: train, translate and score by the procedure of Vaswani et al.
    local into
    into=$(folder "$1")
    scored "$1"
    step "$into/compounds-split" run_to "$into/compounds.json" python -m recipes.layer_sharing.compound_bleu \
        "$into/scores/$set.txt" --references "$text/$set.$target_language" --language "$target_language"
}

of_table_2() { # use the corpus of Table 2's best model, and its sizes
    # shellcheck source=recipes/layer_sharing/high_resource.sh
    source "$recipe/high_resource.sh"
    given_pairs
    test_sets=("$set")
    all_pairs
    base=("${large[@]}")
}

translation_corpus wmt16_en_de
set=newstest2014
[[ ,$tests, = *,$set,* ]] || set='test'
test_sets=("$set")
prepare_corpus
(of_table_2; prepare_pairs ${both[@]+"${both[@]}"}) # in a subshell, since the first model has Table 1's settings

each by_vaswani sequence-2
of_table_2
each by_vaswani synthetic-cycle_rev-2
table text sacrebleu="{system}/scores/$set:bleu" compounds_split='{system}/compounds:bleu'
