#!/usr/bin/env bash
# From raw text to fairseq's binary data: prepare.sh TEXT WORK VOCABULARY
# TEXT holds train.de, train.en, valid.de, ...; WORK/bin gets the binarised data, WORK/bpe the sub-word model.
set -euo pipefail
common=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../recipes/common" && pwd)
# shellcheck source=recipes/common/run.sh
source "$common/run.sh"
# shellcheck source=recipes/common/prepare.sh
source "$common/prepare.sh"
prepare "$1" "$2" de en sentencepiece "$3"
