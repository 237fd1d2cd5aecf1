#!/usr/bin/env bash
# LibriSpeech as fairseq's speech-to-text data: librispeech.sh TEXT
#
# Writes TEXT/{train-clean-100,...,test-other}.tsv, their filter banks, spm_unigram10000.{model,txt} and config.yaml: TEXT is
# the data folder of `--task speech_to_text --config-yaml config.yaml --train-subset train-clean-100,train-clean-360,...`.
# In the environment, besides fetch.sh's: SPLITS (default: all seven); VOCABULARY, the pieces (default: 10000);
# MASKED, the largest share of an utterance that one of SpecAugment's time masks covers (default: 1.0, at most 100 frames).
#
# All splits are 60 GB to download and 110 GB of features.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${LIBRISPEECH_URL:-http://www.openslr.org/resources/12}
# From torchaudio (datasets/librispeech.py) and tensorflow_datasets. The files have 337,926,286 to 30,593,501,606 bytes.
declare -A checksums=(
    [dev-clean]=sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3
    [dev-other]=sha256:12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365
    [test-clean]=sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23
    [test-other]=sha256:d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29
    [train-clean-100]=sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2
    [train-clean-360]=sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf
    [train-other-500]=sha256:ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2
)

begin "$@"
training=()
for split in ${SPLITS:-train-clean-100 train-clean-360 train-other-500 dev-clean dev-other test-clean test-other}; do
    [ -n "${checksums[$split]:-}" ] || die "SPLITS: no split $split; there are ${!checksums[*]}"
    case $split in train-*) training+=("$split") ;; esac
    [ ! -e "$text/$split.tsv" ] || continue # written after its features
    fetch "$url/$split.tar.gz" "$split.tar.gz" "${checksums[$split]}" "www.openslr.org/12 lists mirrors."
    run python -m recipes.common.data.librispeech features "$downloads/$split.tar.gz" "$text" "$split" \
        --workers "$(workers)"
done
[ ${#training[@]} -gt 0 ] || die "SPLITS=${SPLITS:-}: no train-* among them, from which the pieces are learnt"
run python -m recipes.common.data.librispeech vocabulary "$text" "${training[@]}" --vocabulary "${VOCABULARY:-10000}" \
    --masked "${MASKED:-1.0}"
finish
