#!/usr/bin/env bash
# Table 4 of Dabre et al.: the parameters of a model of every depth, of one tied-multi model, and of both with recurrent
# stacking, with Adam's moments. Nothing is trained.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/tied_multi/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

layers=(6 6)
[ "$SCALE" != smoke ] || layers=(2 2)
# The vocabulary size follows from the paper's sums, since 36 models have 36 vocabularies.
step "$work/counted/seed1/count" run_to "$work/counted/seed1/parameters.json" python -m recipes.tied_multi.table4 \
    --layers "${layers[@]}" --vocab-size 33050
table table4 \
    parameters_millions='counted/parameters:{_counted}.millions' \
    relative_size='counted/parameters:{_counted}.relative'
