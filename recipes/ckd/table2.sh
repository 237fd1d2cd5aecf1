#!/usr/bin/env bash
# Table 2 of Wu et al.: the parameters of teacher and student. Nothing is trained; at every SCALE the paper's models are counted.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/ckd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

settings=(pt_en tr_en en_de_1 en_de_2) few_pieces='' other=''
[ "$SCALE" != smoke ] || settings=(en_de_1)

count() { # count SETTING-teacher|student
    local options=("${student_model[@]}") into=$work/$1-size/seed1
    setting "${1%%-*}"
    case $1 in *-teacher) options=("${teacher_model[@]}") ;; esac
    step "$into/count" run_to "$into/parameters.json" fairseq-flexdepth params \
        --vocab-size "$vocabulary" "${options[@]}" --share-all-embeddings --json
}

SEEDS=1 each count "${settings[@]/%/-teacher}" "${settings[@]/%/-student}"
by_setting '{model}-size/parameters:total / 1e6' pt_en tr_en en_de_1 en_de_2
table table2 "${columns[@]}"
