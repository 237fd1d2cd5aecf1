# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # setup.sh and recipe.sh use them, or set them
# The corpora and systems of Table 2. Sourced, after setup.sh.

case $SCALE in # large: the sizes of the models for all pairs; layers: Kiyono et al.'s
    smoke) layers=3 large=(16 64 2) ;;
    small) layers=3 wide=(152 352 4) large=(128 512 4) ;;
    paper)
        layers=9 base=(1024 4096 16) wide=(2048 8192 16) large=(1024 8192 16) save_interval=2003 # prime: see save_often
        save_often "$updates"
        training+=(--save-interval-updates "$save_interval") ;; # overrides the earlier value
esac
embeddings=(--share-decoder-input-output-embed) prepare_options=(--separate)

# Set $given, the folder of the pairs: PAIRS at SCALE=paper; at other scales a corpus of which one half stands for the genuine pairs
# and the whole for all pairs
given_pairs() {
    translation_corpus wmt16_en_de
    subwords=sentencepiece
    direction "$source_language" "$target_language"
    genuine=(--share 0.5) both=()
    if [ "$SCALE" = paper ]; then
        [ -n "${PAIRS:-}${DRY_RUN:-}" ] || die "PAIRS: expected a folder with Table 2's data, which $recipe/README.md describes"
        given=${PAIRS:-PAIRS} genuine=() both=(--with synthetic)
        tests+=,newstest2018,newstest2019 test_sets+=(newstest2018 newstest2019)
    else
        given=$work/text # Table 1's
    fi
}

prepare_pairs() { # prepare_pairs OPTIONS...: make the corpus in $corpus from $given
    [ "$SCALE" = paper ] || original_text "$given"
    step "$text/made" run python -m recipes.layer_sharing.training_text "$given" "$text" \
        --languages "$source_language,$target_language" --splits "valid,$tests" "$@"
    prepare_text
}

genuine_pairs() { # use the corpus of the genuine pairs
    corpus_folder "$work/genuine"
    prefix=genuine-
}

all_pairs() { # use the corpus of all pairs
    corpus_folder "$work/synthetic"
    prefix=synthetic-
}
