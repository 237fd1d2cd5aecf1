#!/usr/bin/env bash
# Table 1 of Takase & Kiyono: parameters, training speed relative to Universal, and BLEU on seven test sets of Vanilla, of
# Universal Transformers and of the three strategies. recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS, SEEDS
# and DRY_RUN.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

systems=(vanilla universal universal-deep universal-small {sequence,cycle,cycle_rev}-{2,3} vanilla-big vanilla-deep)
[ "$SCALE" != smoke ] || systems=(vanilla universal cycle_rev-2 vanilla-big)
table_note=$training_time_note
[ "$SCALE" = paper ] || table_note+=" M and N are the paper's: here M=$M, and N=$((2 * M)) and $((3 * M)) for 12 and 18."

translation_corpus wmt16_en_de
prepare_corpus
each scored "${systems[@]}"
newstest=()
for year in {2010..2016}; do
    newstest+=("newstest$year={system}/scores/newstest$year:bleu vs universal/scores/newstest$year:bleu")
done
table table1 "${newstest[@]}" \
    params_millions='{system}/train:parameters / 1e6' \
    speed='{system}/train:words_per_second / universal/train:words_per_second' \
    avg='{system}/scores/*:bleu vs universal/scores/*:bleu'
