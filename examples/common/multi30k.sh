#!/usr/bin/env bash
# Multi30k's raw German-English text under the names that prepare.sh reads: multi30k.sh DATA TEXT
# DATA holds task 1's train.de, train.en, val.*, test_2016_flickr.*, plain or gzipped.
set -euo pipefail
data=$1 text=$2
mkdir -p "$text"
for language in de en; do
    for split in train:train val:valid test_2016_flickr:test; do
        source=$data/${split%%:*}.$language target=$text/${split##*:}.$language
        if [ -e "$source" ]; then cp "$source" "$target"
        elif [ -e "$source.gz" ]; then gzip -dc "$source.gz" >"$target"
        else echo "missing: $source or $source.gz" >&2; exit 2; fi
    done
done
