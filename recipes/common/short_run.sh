# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # recipe.sh and setup.sh set and use them
# Short runs, which measure the speed of a recipe (recipes/common/cost.py): `distill` and `labels` decode a sample of the training
# set. Sourced by recipe.sh.
#
# Environment: DECODE_SENTENCES, the size of the sample: 2000 if UPDATES is set at SCALE=paper, else by default the whole set.

sampled_sentences() { # print the size of the sample; nothing: decode the whole training set
    case ${DECODE_SENTENCES:-} in *[!0-9]*) die "DECODE_SENTENCES=$DECODE_SENTENCES: expected a number" ;; esac
    if [ -n "${DECODE_SENTENCES:-}" ]; then
        echo "$DECODE_SENTENCES"
    elif [ "$SCALE" = paper ] && [ -n "${UPDATES:-}" ]; then
        echo 2000
    fi
}

# sample_to_decode BIN: in a short run, set $decoded to a copy of BIN whose training set is a sample
sample_to_decode() {
    local sentences
    sentences=$(sampled_sentences)
    [ -n "$sentences" ] || return 0
    decoded=$(dirname "$1")/sample/bin
    sample "$(dirname "$1")/sample/made" binarised "$1" "$decoded" "$sentences"
}

# sample_to_distill: a part of distill, with its variables. In a short run the translations of a sample go to another folder, and
# students train on the corpus itself: batches as large as some of the paper's would not be full of a sample
sample_to_distill() {
    sample_to_decode "$decoded"
    [ "$decoded" != "$corpus/bin" ] || return 0
    run mkdir -p "$(dirname "$into")"
    run ln -sfnr "$corpus/bin" "$into"
    into+=-sample
}
