#!/usr/bin/env bash
# Table 2 of Dabre et al.: a depth pair per sentence, chosen by the oracle and by classifiers, one sentence at a time.
# SELECTOR_OPTIONS are more options of fairseq-train for the classifiers, such as the result of
# recipes/depth_selection/search.sh. recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=recipes/tied_multi/selection.sh
source "$(dirname "${BASH_SOURCE[0]}")/selection.sh"

prepare_corpus
each system tied-multi
for seed in $(seq "${SEEDS:-1}"); do # not with `each`: labels take all GPUs
    for split in train valid "$tests"; do labels tied-multi labels "$split" tied-multi; done
    held_out_labels
done

classifiers=(selector-8-8 selector-2-4 selector-4-2) tuned=(selector-8-8-tuned selector-2-4-tuned)
[ "$SCALE" != smoke ] || classifiers=(selector-2-4) tuned=(selector-2-4-tuned)
each selector "${classifiers[@]}"
each selector "${tuned[@]}"
JOBS=1 each decode_by deepest oracle "${classifiers[@]}" "${tuned[@]}" # nothing else may run during timing
table table2 \
    decode_seconds='tied-multi/chosen/{_choice}:seconds' \
    bleu='tied-multi/chosen/{_choice}:bleu vs tied-multi/chosen/deepest:bleu'
