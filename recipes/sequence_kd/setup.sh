# shellcheck shell=bash
# shellcheck disable=SC2034  # recipe.sh uses them
# Kim & Rush, "Sequence-Level Knowledge Distillation": how its systems are trained. Sourced.
#
# The paper has two language pairs, here called `first` and `second`. The name of a system is
#   PAIR-SIZE[-seq-kd][-word-kd][-seq-inter]   with SIZE teacher, student or smaller
# -seq-kd: trained on the teacher's translations, otherwise on the corpus; -word-kd: the loss includes the teacher's distributions;
# -seq-inter: then fine-tuned on Seq-Inter data with the same loss.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

case $SCALE in
    smoke)
        pairs=(first second) batch=400 inter_beam=4 log_interval=5
        optimizer=adam lr=1e-2 dropout=0.1 ;;
    small) # one pair; Adam, which is ahead of SGD in so few updates
        pairs=(first) batch=1024 inter_beam=10
        training_pairs=10000 # of more pairs, LSTMs still learn after many more updates
        optimizer=adam lr=3e-3 dropout=0.2 ;;
    paper)
        pairs=(first second) batch="128 sentences" inter_beam=35
        optimizer=sgd lr=1 dropout=0.2 ;;
esac
[ -z "${DATA:-}" ] || pairs=(first)
longest=${LONGEST:-} # of training pairs, in tokens, where the user sets it
max_tokens=$batch subwords=words average=1
# --sentence-avg: the loss of an update is divided by its sentences, not by its words
training=(--arch lstm --dropout "$dropout" --sentence-avg --clip-norm 5 --no-epoch-checkpoints)
# long epochs: an interrupted training loses at most 5,000 updates
[ "$SCALE" != paper ] || training+=(--save-interval-updates 5000 --keep-interval-updates 1)

pair() { # pair NAME: set the corpus, the sizes of the models (layers x units), and the share of the corpus for Seq-Inter data
    prefix=$1 corpus=$work/$1 text=$work/$1/text bin=$work/$1/bin inter_share=all
    students=({student,smaller}{,-word-kd,-seq-kd,-seq-kd-word-kd}) tuned=()
    case $SCALE-$1 in
        smoke-first)
            use_corpus wmt16_en_de
            vocabulary=300 updates=100 inter_share=half teacher=2x24 student=1x16 smaller=1x12
            students=(student-seq-kd) tuned=(student-seq-kd-seq-inter) ;;
        smoke-second)
            use_corpus iwslt15_th_en
            export SEGMENTER=${SEGMENTER:-none}
            vocabulary=300 updates=100 teacher=2x24 student=1x16
            students=(student-word-kd) tuned=(teacher-seq-inter) ;;
        small-first)
            use_corpus multi30k
            vocabulary=3000 updates=1680 inter_share=half teacher=1x256 student=1x128 smaller=1x64
            students=(student{,-word-kd,-seq-kd,-seq-kd-word-kd} smaller{,-seq-kd}) ;;
        paper-first)
            use_corpus wmt16_en_de
            vocabulary=50000 updates=422000 inter_share=half teacher=4x1000 student=2x500 smaller=2x300 ;;
        paper-second)
            use_corpus iwslt15_th_en
            vocabulary=25000 updates=8440 teacher=2x500 student=2x100
            students=(student{,-word-kd,-seq-kd,-seq-kd-word-kd}) ;;
        *) die "$1: no such pair at SCALE=$SCALE" ;;
    esac
    [ ${#tuned[@]} -gt 0 ] || tuned=(teacher-seq-inter "${students[@]/%/-seq-inter}")
    # Luong et al. "filter out sentence pairs whose lengths exceed 50 words" (section 4.1)
    LONGEST=$longest
    case $SCALE-$data in paper-wmt16_en_de) LONGEST=${longest:-50} ;; esac
    case $data in wmt*_en_de) tests=newstest2014 ;; *) tests="test" ;; esac
    updates=${UPDATES:-$updates}
    teacher_path=$(model "$1-teacher")
    at_first
    read -ra decoded <<<"$(decode_options "$subwords" "$source_language" "$target_language")"
    decoding=(--beam 5 --lenpen 0 --max-len-a 2 --max-len-b 10 --max-tokens 4000 "${decoded[@]}")
}

# 12 epochs of 4.5 million pairs (first) and of 90,000 (second) are 422,000 and 8,440 updates of 128 sentences
at_first() { # set $from_scratch: the schedule of Luong et al. (2015) for models with dropout, 8 of 12 epochs at the full learning
    # rate, which is then halved in every epoch
    local rates="'0': $lr" rate=$lr epoch
    for epoch in 8 9 10 11; do
        rate=$(awk "BEGIN { print $rate / 2 }")
        rates+=", '$((updates * epoch / 12))': $rate"
    done
    from_scratch=(--optimizer "$optimizer" --lr "$lr" --lr-scheduler manual --update2lr "{$rates}" --max-update "$updates")
}

further() { # further SYSTEM LEARNING_RATE OPTIONS...: set $further: fine-tuning of SYSTEM's model at a constant rate
    further=(--finetune-from-model "$(model "$1")" --optimizer sgd --lr "$2" --lr-scheduler fixed
        --max-update "$((updates / 8))" "${@:3}")
}

lstm() { # lstm SYSTEM LAYERSxUNITS OPTIONS...: train an LSTM whose layers and embeddings all have UNITS units
    local layers=${2%x*} units=${2#*x} loss=(--criterion cross_entropy)
    case $1 in *-word-kd*) loss=(--criterion word_kd --kd-alpha 0.5 --teacher-path "$teacher_path") ;; esac
    train "$1" --encoder-layers "$layers" --decoder-layers "$layers" --encoder-embed-dim "$units" \
        --decoder-embed-dim "$units" --decoder-out-embed-dim "$units" "${loss[@]}" "${@:3}"
}

system() { # system NAME: train a system; each branch has the options of one kind
    local name=$1 size further
    size=${name#"$prefix"-} size=${size%%-*} size=${!size}
    case $name in
        *-pruned-*-seq-inter)
            further "${name%-seq-inter}" 0.1 --keep-pruned
            on "$corpus/seq-inter" lstm "$name" "$size" "${further[@]}" ;;
        *-pruned-*)
            further "$prefix-student-cut-${name##*-}" 0.2 --keep-pruned
            on "$corpus/seq-kd" lstm "$name" "$size" "${further[@]}" ;;
        *-seq-inter)
            further "${name%-seq-inter}" 0.1
            on "$corpus/seq-inter" lstm "$name" "$size" "${further[@]}" ;;
        *-seq-kd*) on "$corpus/seq-kd" lstm "$name" "$size" "${from_scratch[@]}" ;;
        *) lstm "$name" "$size" "${from_scratch[@]}" ;;
    esac
}

prepare_pair() { # make the corpus of a pair, and the half of it that becomes Seq-Inter data
    prepare_corpus
    [ "$inter_share" = all ] || half_corpus
}

distilled_corpora() { # make $corpus/seq-kd, and $corpus/seq-inter from all or half of the training set, by the teacher
    distill "$prefix/seq-kd" "$teacher_path"
    [ "$inter_share" = all ] || local corpus=$corpus/half
    distill "$prefix/seq-inter" "$teacher_path" --beam "$inter_beam" --select sentence-bleu
}

half_corpus() { # make $corpus/half/bin: every second training pair of the corpus
    local whole=$corpus language
    local corpus=$whole/half
    for language in "$source_language" "$target_language"; do
        step "$corpus/$language" run_to "$corpus/train.$language" awk 'NR % 2' "$whole/tokens/train.$language"
    done
    step "$corpus/binarised" binarise "$corpus" --source-lang "$source_language" --target-lang "$target_language" \
        --srcdict "$whole/bin/dict.$source_language.txt" --tgtdict "$whole/bin/dict.$target_language.txt" \
        --trainpref "$corpus/train" --validpref "$whole/tokens/valid"
}

score() { # score NAME: compute BLEU with greedy and beam search, the probability of greedy translations, and test perplexity
    local into
    into=$(folder "$1")
    generate "$1" "$tests" greedy --beam 1
    generate "$1" "$tests" beam
    # fairseq-validate has no default --task
    step "$into/validate" log_to "$into/validate.txt" on_device fairseq-validate "$corpus/bin" --user-dir "$plugin" --task translation \
        --path "$(model "$1")" --valid-subset "$(subset_of "$tests")" --max-tokens 4000 --log-format json \
        ${device[@]+"${device[@]}"}
    step "$into/perplexity" run_to "$into/perplexity.json" python -m recipes.sequence_kd.perplexity "$into/validate.txt"
}

scored() { # scored NAME: train and score a system
    system "$1"
    score "$1"
}
