#!/usr/bin/env bash
# Table 2 of Kim & Rush: source words translated per second, one sentence at a time, on a GPU (where there is one) and on the CPU.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/sequence_kd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

pair first
prepare_corpus
models=(first-{teacher,student,smaller})
each system "${models[@]}"
on_cpu() { # on_cpu COMMAND...: run a command on the CPU, in single precision whatever FP16 says
    local device=(--cpu)
    "$@"
}
timed() { # timed NAME: measure words per second
    local beam
    for beam in 1 5; do
        on_cpu evaluate "$1" "$tests" "cpu-$beam" --beam "$beam" --batch-size 1
        [ "$GPUS" = 0 ] || evaluate "$1" "$tests" "gpu-$beam" --beam "$beam" --batch-size 1
    done
}
JOBS=1 each timed "${models[@]}" # nothing else may run during timing
table table2 \
    gpu='{system}/gpu-{beam}/sweep:words_per_second' \
    cpu='{system}/cpu-{beam}/sweep:words_per_second' \
    android=
