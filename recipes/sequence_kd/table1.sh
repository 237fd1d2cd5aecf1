#!/usr/bin/env bash
# Table 1 of Kim & Rush: BLEU of teachers and students by kind of distillation, with greedy and with beam search; perplexity; and
# the probability of greedy translations.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/sequence_kd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

corpora=()
for name in "${pairs[@]}"; do
    pair "$name"
    prepare_pair
    corpora+=("$data")
done
for name in "${pairs[@]}"; do
    pair "$name"
    each scored "$name-teacher"
    distilled_corpora
    each scored "${students[@]/#/$name-}"
    each scored "${tuned[@]/#/$name-}"
done
data=${corpora[*]}
table table1 \
    params_millions='{system}/train:parameters / 1e6' \
    bleu_k1='{system}/greedy:bleu' \
    delta_k1='{system}/greedy:bleu - {_baseline}/greedy:bleu' \
    bleu_k5='{system}/beam:bleu' \
    delta_k5='{system}/beam:bleu - {_baseline}/beam:bleu' \
    ppl='{system}/perplexity:perplexity' \
    p_greedy_output_percent='{system}/greedy:probability / 0.01'
