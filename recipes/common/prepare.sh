# shellcheck shell=bash
# From clean text to fairseq's binarised data, and from fairseq's output back to text. Sourced, after run.sh.
#
# Environment: WORKERS, number of processes (default: one per core); results do not depend on it.

# prepare TEXT WORK SRC TGT KIND VOCABULARY [OPTIONS]: make WORK/bin from TEXT/{train,valid,test...}.{SRC,TGT}. KIND is
#   sentencepiece  pieces of one SentencePiece model of both languages (VOCABULARY pieces)
#   bpe            Moses' tokens in joint BPE (VOCABULARY merges), by subword-nmt
#   words          Moses' tokens, the VOCABULARY most frequent of each language, the others <unk>
# Options:
#   --tests A,B,...   the test sets in TEXT (default: test); `subset` prints their names in WORK/bin
#   --separate        one dictionary per language; the default, except for words, is one joint dictionary
#   --lowercase       bpe and words: lowercase the tokens
#   --split-hyphens   bpe and words: split at hyphens (Moses' -a)
# Intermediate text is in WORK/bpe or WORK/tokens. Nothing is done if WORK/bin/.done exists.
prepare() {
    local text=$1 work=$2 source=$3 target=$4 kind=$5 vocabulary=$6
    shift 6
    local tests=test joined=(--joined-dictionary) limits=() moses=()
    while [ $# -gt 0 ]; do
        case $1 in
            --tests) tests=$2; shift ;;
            --separate) joined=() ;;
            --lowercase | --split-hyphens) moses+=("$1") ;;
            *) die "prepare: $1: expected --tests, --separate, --lowercase or --split-hyphens" ;;
        esac
        shift
    done
    if [ -e "$work/bin/.done" ]; then say "data in $work/bin: already prepared"; return; fi
    local splits=train,valid,$tests folder split
    case $kind in
        sentencepiece)
            folder=$work/bpe
            say "splitting into sub-words ($vocabulary pieces)"
            run python -m recipes.common.data.subwords "$text" "$folder" --languages "$source,$target" \
                --vocabulary "$vocabulary" --splits "$splits" --workers "$(workers)" ;;
        bpe)
            folder=$work/bpe
            tokenize "$work/tokens"
            say "splitting into sub-words ($vocabulary merges)"
            run python -m recipes.common.data.bpe "$work/tokens" "$folder" --languages "$source,$target" \
                --merges "$vocabulary" --splits "$splits" --workers "$(workers)" ;;
        words)
            folder=$work/tokens joined=()
            tokenize "$folder"
            # fairseq's limit includes its four special symbols
            limits=(--nwordssrc $((vocabulary + 4)) --nwordstgt $((vocabulary + 4))) ;;
        *) die "prepare: KIND $kind: expected sentencepiece, bpe or words" ;;
    esac
    local prefixes=()
    for split in ${tests//,/ }; do prefixes+=("$folder/$split"); done
    binarise "$work" --source-lang "$source" --target-lang "$target" \
        ${joined[@]+"${joined[@]}"} ${limits[@]+"${limits[@]}"} \
        --trainpref "$folder/train" --validpref "$folder/valid" --testpref "$(IFS=,; echo "${prefixes[*]}")"
}

tokenize() { # tokenize FOLDER: a part of prepare, with its variables
    say "tokenising"
    run python -m recipes.common.data.moses "$text" "$1" --languages "$source,$target" --splits "$splits" \
        --workers "$(workers)" ${moses[@]+"${moses[@]}"}
}

# prepare_lm TEXT WORK: make WORK/bin from TEXT/{train,valid,test}.tokens, for language modelling.
prepare_lm() {
    local text=$1 work=$2
    if [ -e "$work/bin/.done" ]; then say "data in $work/bin: already prepared"; return; fi
    binarise "$work" --only-source --trainpref "$text/train.tokens" --validpref "$text/valid.tokens" \
        --testpref "$text/test.tokens"
}

# subset NAME TESTS: print fairseq's name (--gen-subset) of test set NAME, given the list of --tests
subset() {
    local name=$1 number=0 test
    for test in ${2//,/ }; do
        if [ "$test" = "$name" ]; then
            if [ $number = 0 ]; then echo test; else echo "test$number"; fi
            return
        fi
        number=$((number + 1))
    done
    die "subset: no $name among $2"
}

# decode_options KIND SRC TGT: print the options with which `fairseq-flexdepth sweep` and fairseq-generate (its D lines) write
# plain text
decode_options() {
    case $1 in
        sentencepiece) echo "--post-process sentencepiece" ;;
        bpe) echo "--source-lang $2 --target-lang $3 --post-process subword_nmt --tokenizer moses" ;;
        words) echo "--source-lang $2 --target-lang $3 --tokenizer moses" ;;
        *) die "decode_options: KIND $1: expected sentencepiece, bpe or words" ;;
    esac
}

binarise() { # binarise WORK OPTIONS...: run fairseq-preprocess, with its output in WORK/preprocess.log
    local work=$1 bin=$1/bin
    shift
    say "binarising"
    run mkdir -p "$work"
    run rm -rf "$bin"
    set -- fairseq-preprocess --workers "$(workers)" "$@" --destdir "$bin"
    if [ -n "${DRY_RUN:-}" ]; then
        run "$@"
    elif ! "$@" >"$work/preprocess.log" 2>&1; then
        tail -n 20 "$work/preprocess.log" >&2
        die "fairseq-preprocess failed; its log: $work/preprocess.log"
    fi
    run touch "$bin/.done"
}
