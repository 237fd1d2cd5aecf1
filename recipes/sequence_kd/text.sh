#!/usr/bin/env bash
# Section 3.2 and footnote 5 of Kim & Rush: the share of the teacher's distribution that one translation holds, and that the
# translations in a beam of 5 hold together. The teachers are Table 1's.
# recipes/README.md explains SCALE, WORK, DATA, SOURCE, JOBS, GPUS and DRY_RUN.
# shellcheck source=recipes/sequence_kd/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

weighed() { # weighed NAME: train a system, and compute the probabilities of its greedy translations and of those in its beam
    system "$1"
    generate "$1" "$tests" greedy --beam 1
    generate "$1" "$tests" n-best --beam 5 --nbest 5
}

names=()
for name in "${pairs[@]}"; do
    pair "$name"
    prepare_corpus
    names+=("$data")
done
for name in "${pairs[@]}"; do
    pair "$name"
    each weighed "$name-teacher"
done
data=${names[*]}
table text mass_percent='{system}/{_search}:probability / 0.01'
