#!/usr/bin/env bash
# Table 2 of Wang et al.: mean BLEU over all depths of Baseline, LayerDrop and MT without and with Seq-KD.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/flexible_depth/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prepare_corpus
distilled_corpus
systems=(layerdrop mt-optimal "${pairs[@]/#/baseline-}")
each system "${systems[@]}" "${systems[@]/#/original-}"
table table2 without_seq_kd='original-{_mean}' with_seq_kd='{_mean}'
