#!/usr/bin/env bash
# From raw text to fairseq's binary data: prepare.sh TEXT WORK VOCABULARY
# TEXT holds train.de, train.en, valid.de, ...; WORK/bin gets the binarised data, WORK/bpe the sub-word model.
set -euo pipefail
text=$1 work=$2 vocabulary=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -e "$work/bin/.done" ]; then
    echo "data in $work/bin: already prepared"
    exit 0
fi
echo "splitting into sub-words ($vocabulary pieces)"
python "$here/subwords.py" "$text" "$work/bpe" --vocabulary "$vocabulary"
echo "binarising"
rm -rf "$work/bin"
fairseq-preprocess --source-lang de --target-lang en --joined-dictionary --workers 2 \
    --trainpref "$work/bpe/train" --validpref "$work/bpe/valid" --testpref "$work/bpe/test" \
    --destdir "$work/bin" >"$work/preprocess.log" 2>&1 || { tail "$work/preprocess.log"; exit 1; }
touch "$work/bin/.done"
