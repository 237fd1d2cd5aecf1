#!/usr/bin/env bash
# From raw text to fairseq's binarised data: prepare.sh TEXT WORK VOCABULARY
# TEXT contains train.de, train.en, valid.de, ...; the binarised data go to WORK/bin, the sub-word model to WORK/bpe.
set -euo pipefail
common=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../recipes/common" && pwd)
# shellcheck source=recipes/common/run.sh
source "$common/run.sh"
# shellcheck source=recipes/common/prepare.sh
source "$common/prepare.sh"
prepare "$1" "$2" de en sentencepiece "$3"
