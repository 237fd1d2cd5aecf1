#!/usr/bin/env bash
# Table 2 of Takase & Kiyono: BLEU of larger models trained on many more sentence pairs, genuine ones alone and with synthetic
# ones. recipes/README.md explains SCALE, WORK, SOURCE, JOBS, GPUS, SEEDS and DRY_RUN; README.md here describes PAIRS, a folder that
# SCALE=paper needs.
# shellcheck source=recipes/layer_sharing/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=recipes/layer_sharing/high_resource.sh
source "$(dirname "${BASH_SOURCE[0]}")/high_resource.sh"

systems=(vanilla universal {sequence,cycle,cycle_rev}-2)
[ "$SCALE" != smoke ] || systems=(universal cycle_rev-2)

given_pairs
genuine_pairs
prepare_pairs ${genuine[@]+"${genuine[@]}"}
all_pairs
prepare_pairs ${both[@]+"${both[@]}"}

genuine_pairs
each scored "${systems[@]/#/$prefix}"
all_pairs
base=("${large[@]}")
each scored synthetic-kiyono synthetic-cycle_rev-2
newstest=()
for year in {2010..2016} 2018 2019; do
    newstest+=("newstest$year={system}/scores/newstest$year:bleu vs {_baseline}/scores/newstest$year:bleu")
done
table table2 "${newstest[@]}" params_millions='{system}/train:parameters / 1e6' \
    avg='{system}/scores/*:bleu vs {_baseline}/scores/*:bleu'
