#!/usr/bin/env bash
# Table 3 of Kim & Rush: the Seq-KD + Seq-Inter student with its smallest weights pruned, then retrained: on Seq-KD data, then on
# Seq-Inter data. Also its BLEU before retraining.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/sequence_kd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

percents=(50 80 85 90)
[ "$SCALE" != smoke ] || percents=(50)

cut_weights() { # cut_weights PERCENT: prune this share of the student's weights, and score it
    local into
    into=$(folder "first-student-cut-$1")
    step "$into/prune" run fairseq-flexdepth prune --path "$(model first-student-seq-kd-seq-inter)" --fraction "0.$1" \
        --output "$into/checkpoint_last.pt"
    generate "first-student-cut-$1" "$tests" beam
}

beam() { # beam NAME: train a system and score it with beam search
    system "$1"
    generate "$1" "$tests" beam
}

pair first
prepare_pair
each beam first-teacher
distilled_corpora
each beam first-student-seq-kd
each beam first-student-seq-kd-seq-inter
each cut_weights "${percents[@]}"
each beam "${percents[@]/#/first-student-pruned-}"
retrained=("${percents[@]/#/first-student-pruned-}")
each beam "${retrained[@]/%/-seq-inter}"
table table3 \
    params_millions='{system}/train:nonzero / 1e6' \
    bleu_k5='{system}/beam:bleu vs first-student-seq-kd-seq-inter/beam:bleu' \
    ratio='first-teacher/train:parameters / {system}/train:nonzero' \
    +bleu_k5_before_retraining='{_cut}/beam:bleu vs first-student-seq-kd-seq-inter/beam:bleu'
