#!/usr/bin/env bash
# Multi30k's raw German-English text under the names that prepare.sh reads: multi30k.sh DATA TEXT
# DATA contains task 1's train.de, train.en, val.*, test_2016_flickr.*, plain or gzipped.
set -euo pipefail
SOURCE=$1 exec bash "$(dirname "${BASH_SOURCE[0]}")/../../recipes/common/data/multi30k.sh" "$2"
