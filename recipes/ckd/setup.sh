# shellcheck shell=bash
# shellcheck disable=SC2034  # recipe.sh uses them
# Wu et al., "Why Skip If You Can Combine: A Simple Knowledge Distillation Technique for Intermediate Layers": its settings
# (corpora) and its systems. The name of a system is SETTING-NAME. Sourced.
# shellcheck source=recipes/common/recipe.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common/recipe.sh"

few_pieces=
case $SCALE in
    smoke)
        few_pieces=300 part=100 average=2 dropout=0.1
        sizes=(--encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2
            --decoder-embed-dim 16 --decoder-ffn-embed-dim 32 --decoder-attention-heads 2)
        log_interval=5 updates=10 teacher_updates=10 batch=400 schedule=polynomial_decay lr=5e-3 warmup=2 save_interval=5 ;;
    small)
        few_pieces=2000 training_pairs=10000 average=3 dropout=0.1
        sizes=(--encoder-embed-dim 64 --encoder-ffn-embed-dim 128 --encoder-attention-heads 4
            --decoder-embed-dim 64 --decoder-ffn-embed-dim 128 --decoder-attention-heads 4)
        updates=2400 teacher_updates=2400 batch=1024 schedule=polynomial_decay lr=4e-3 warmup=100 save_interval=240
        # Pre-LN, since a Post-LN teacher of 6 layers learns almost nothing in so few updates
        sizes+=(--encoder-normalize-before --decoder-normalize-before) ;;
    paper) # section 4: "identical to those of Vaswani et al. (2017)", whose base model this is
        part=200000 average=5 dropout=0.1 sizes=()
        updates=100000 teacher_updates=100000 batch=25000 schedule=inverse_sqrt lr=7e-4 warmup=4000
        save_interval=1499 ;; # prime, since most corpora have epochs of 50 to 300 updates: see save_often
esac
export DOWNLOADS=${DOWNLOADS:-$work/downloads} # shared, since the settings have common files
updates=${UPDATES:-$updates} teacher_updates=${TEACHER_UPDATES:-${UPDATES:-$teacher_updates}}
save_often "$updates" "$teacher_updates"
max_tokens=$((batch > 3125 ? 3125 : batch)) subwords=sentencepiece
training=("${sizes[@]}" --share-all-embeddings --dropout "$dropout" --label-smoothing 0.1
    --optimizer adam --adam-betas '(0.9, 0.98)' --adam-eps 1e-9 --lr "$lr" --lr-scheduler "$schedule" --warmup-updates "$warmup"
    --save-interval-updates "$save_interval" --keep-interval-updates "$average" --no-epoch-checkpoints)
decoding=(--beam 4 --lenpen 0.6 --max-len-a 1 --max-len-b 50 --max-tokens 4000 --post-process sentencepiece)
teacher_model=(--arch transformer --encoder-layers 6 --decoder-layers 6)
student_model=(--arch transformer --encoder-layers 2 --decoder-layers 2)
plain=(--criterion label_smoothed_cross_entropy)

# among SMOKE SETTING...: set $settings to SETTING..., at SCALE=smoke to SMOKE alone. At SCALE=small, or with DATA, there is one
# setting, $other, named after its data
among() {
    other=${DATA:-}
    if [ -z "$other" ] && [ "$SCALE" = small ]; then other=multi30k; fi
    case $SCALE in smoke) settings=("$1") ;; *) settings=("${@:2}") ;; esac
    [ -z "$other" ] || settings=("$other")
    table_values=(other="$other")
}

setting() { # setting SETTING: set the corpus and its folders; $bin is the training data of its students
    local pieces=32000
    corpus=$work/$1 data_options=() tests=newstest2014 source_language=en target_language=de
    case $1 in
        pt_en | tr_en) data=ted data_options=("${1%_en}") tests=test source_language=${1%_en} target_language=en ;;
        en_de_1) data=wmt16_en_de pieces=15000 ;;
        en_de_2 | en_de) data=wmt16_en_de pieces=37000 corpus=$work/en_de ;;
        en_fr) data=wmt14_en_fr target_language=fr ;;
        multi30k | grammar | iwslt14_de_en)
            use_corpus "$1"
            tests="test" pieces=${few_pieces:-$pieces}
            [ "$1" != grammar ] || [ "$SCALE" != small ] || pieces=1000 # it has few words
            vocabulary=$pieces text=$corpus/text bin=$work/$1/bin
            return ;;
        *) die "DATA=$1: expected multi30k, grammar or iwslt14_de_en" ;;
    esac
    vocabulary=${few_pieces:-$pieces} text=$corpus/text bin=$work/$1/bin
}

prepare_settings() { # make the corpora of $settings; en_de_1 and the students of en_de_2 have the same random sample of en_de
    local name
    for name in "${settings[@]}"; do
        setting "$name"
        case $name in
            en_de_1)
                original_text "$work/en_de/text"
                sample "$corpus/sample" text "$work/en_de/text" "$text" "$part"
                prepare_text ;;
            en_de_2)
                prepare_corpus
                sample "$work/en_de_2/sample" binarised "$work/en_de/bin" "$work/en_de_2/bin" "$part" ;;
            *) prepare_corpus ;;
        esac
    done
}

lasting() { # lasting UPDATES COMMAND...: run a command that trains, with this number of updates
    local training=("${training[@]}" --max-update "$1")
    [ "$schedule" = inverse_sqrt ] || training+=(--total-num-update "$1")
    "${@:2}"
}

student() { # student SYSTEM OPTIONS...: train a student
    lasting "$updates" train "$1" "${student_model[@]}" "${@:2}"
}

system() { # system SETTING-NAME: train and score a system; each branch has the options of one kind
    local of=${1%%-*} name=${1#*-} taught layers
    setting "$of"
    taught=(--teacher-path "$(model "$of-teacher")")
    layers=("${taught[@]}" --kd-eta 0.1 --kd-lambda 0.7)
    case $name in *-decoder) name=${name%-decoder} layers+=(--distill-decoder) ;; esac
    case $name in
        *-attention) name=${name%-attention} layers+=(--pkd-attention) ;;
        *-released) name=${name%-released} layers+=(--ckd-fusion student) ;;
    esac
    case $of-$name in
        en_de_2-teacher) # trained on the whole corpus
            system en_de-teacher
            step "$work/logs/$1" run ln -sfnr "$work/en_de-teacher" "$work/$1"
            return ;;
        *-teacher) lasting "$teacher_updates" train "$1" "${teacher_model[@]}" "${plain[@]}" ;;
        *-no-kd) student "$1" "${plain[@]}" ;;
        *-regular-kd) student "$1" --criterion word_kd "${taught[@]}" --kd-alpha 0.1 ;;
        *-regular-kd-0.?) student "$1" --criterion word_kd "${taught[@]}" --kd-alpha "${name##*-}" ;;
        *-pkd) student "$1" --criterion pkd --ckd-mapping 1:3,2:6 "${layers[@]}" ;;
        *-rc | *-oc | *-sc | *-cc) student "$1" --criterion ckd --ckd-mapping "$name" "${layers[@]}" ;;
        *) die "$1: no such system" ;;
    esac
    evaluate "$1" "$tests" test
}

made() { # made NAME...: train the teachers of $settings, then their students NAME...
    local name students=()
    for name; do students+=("${settings[@]/%/-$name}"); done
    each system "${settings[@]/%/-teacher}"
    each system "${students[@]}"
}

# by_setting CELL COLUMN...: set $columns, for `table`: SETTING-CELL for each of $settings, else the paper's values. $baseline is the cell
# of the baseline, if there is one
by_setting() {
    local column cell against=${baseline:-}
    columns=()
    for column in "${@:2}"; do
        cell=$column-$1${against:+ vs $column-$against}
        case " ${settings[*]} " in *" $column "*) columns+=("$column=$cell") ;; *) columns+=("$column=") ;; esac
    done
    [ -z "$other" ] || columns+=("+$other=$other-$1${against:+ vs $other-$against}")
    data=${settings[*]}
}
