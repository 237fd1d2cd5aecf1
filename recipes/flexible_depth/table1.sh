#!/usr/bin/env bash
# Table 1 of Wang et al.: BLEU of a separate model for every depth pair (Baseline), and the differences of one LayerDrop model
# and of one multi-task model (MT) from it, all with Seq-KD; and the number of depth pairs at which each is best (section 4.2).
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
distilled_corpus
each system layerdrop mt-optimal "${pairs[@]/#/baseline-}"
base='baseline-{encoder}-{decoder}/test/sweep:bleu'
table table1 \
    base_bleu="$base" \
    delta_layerdrop="layerdrop/test/sweep:bleu@{encoder},{decoder} - $base" \
    delta_mt="mt-optimal/test/sweep:bleu@{encoder},{decoder} - $base"
run mkdir -p "$work/winners/seed1"
summary run_to "$work/winners/seed1/tasks.json" python -m recipes.flexible_depth.winners "$work"
table winners best_at='winners/tasks:{_winner}' of='winners/tasks:all'
