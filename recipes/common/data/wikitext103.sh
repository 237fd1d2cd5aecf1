#!/usr/bin/env bash
# WikiText-103, for language models: wikitext103.sh TEXT
#
# Writes TEXT/{train,valid,test}.tokens, as they are in the archive. fetch.sh explains the environment variables.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${WIKITEXT103_URL:-https://wikitext.smerity.com/wikitext-103-v1.zip}
# The sha256 that public projects pin for the archive at its first address (s3.amazonaws.com/research.metamind.io, dead);
# torchtext has its md5, 9ddaacaf6af0710eda8c456decff7832.
checksum=${WIKITEXT103_CHECKSUM-sha256:242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590}

begin "$@"
fetch "$url" wikitext-103-v1.zip "$checksum" "wikitext.smerity.com mirrors it since its first address is dead."
unpack "$downloads/wikitext-103-v1.zip" wikitext-103/wiki.{train,valid,test}.tokens
for split in train valid test; do
    run_to "$text/$split.tokens" cat "$text/original/wikitext-103/wiki.$split.tokens"
done
finish
