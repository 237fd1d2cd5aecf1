#!/usr/bin/env bash
# Multi30k German-English, task 1: multi30k.sh TEXT
#
# Writes TEXT/{train,valid,test}.{de,en}: 29,000, 1,014 and 1,000 pairs; test is test_2016_flickr. The text is not changed. In
# SOURCE the files may be gzipped or not. fetch.sh explains the environment variables.
set -euo pipefail
# shellcheck source=recipes/common/fetch.sh
source "$(dirname "${BASH_SOURCE[0]}")/../fetch.sh"
url=${MULTI30K_URL:-https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw}
# Of files with gzip headers from 2017; the repository publishes no checksums.
checksums="train.de sha256:726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6
train.en sha256:d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f
val.de sha256:f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a
val.en sha256:14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28
test_2016_flickr.de sha256:9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8
test_2016_flickr.en sha256:611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"

begin "$@"
while read -r name checksum; do
    if [ -n "${SOURCE:-}" ] && [ -e "$SOURCE/$name" ]; then
        fetch "$url/$name" "$name" "" # the user has unpacked it
        run_to "$text/$name.plain" cat "$downloads/$name"
    else
        fetch "$url/$name.gz" "$name.gz" "$checksum" "See github.com/multi30k/dataset, data/task1/raw."
        run_to "$text/$name.plain" gzip -dc "$downloads/$name.gz"
    fi
done <<<"$checksums"
for language in de en; do
    run mv "$text/train.$language.plain" "$text/train.$language"
    run mv "$text/val.$language.plain" "$text/valid.$language"
    run mv "$text/test_2016_flickr.$language.plain" "$text/test.$language"
done
finish
