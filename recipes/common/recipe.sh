# shellcheck shell=bash
# shellcheck disable=SC2154  # setup.sh sets what the next lines name
# What every recipe starts with: its scale, its folder, the machine, and the steps from a corpus to scores. Sourced by the
# papers' setup.sh, which then sets by $SCALE:
#
#   data, source_language, target_language   a script of recipes/common/data, and its languages
#   subwords, vocabulary, prepare_options    what prepare.sh makes of it
#   tests        its test sets, separated by commas (default: test)
#   training     options of fairseq-train that all systems of the paper share
#   batch        tokens of an update; max_tokens: of those, what a GPU (or the CPU) takes at a time
#   average      how many of the last checkpoints are averaged (1: none)
#   decoding     options of fairseq-generate; prepare.sh's decode_options among them
#
# In the environment, beside run.sh's: SCALE; WORK, where all is written; DATA, another data set; SOURCE, a folder with the
# data's original files; GPUS, how many are used (default: all there are; 0: the CPU), of those that CUDA_VISIBLE_DEVICES names
# if it is set; FP16=1; LAUNCH, words before every fairseq-train (recipes/common/slurm.sh).
common=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=recipes/common/run.sh
source "$common/run.sh"
# shellcheck source=recipes/common/prepare.sh
source "$common/prepare.sh"

case ${SCALE:=smoke} in smoke | small | paper) ;; *) die "SCALE=$SCALE: expected smoke, small or paper" ;; esac
recipe=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
work=${WORK:-$recipe/work/$SCALE${DATA:+-$DATA}}
[ -n "${DRY_RUN:-}" ] || mkdir -p "$work"

find_gpus() { # $gpus: the GPUS to use, as CUDA_VISIBLE_DEVICES has them, which may be names, or else by number
    local found=()
    case ${GPUS:-0} in *[!0-9]*) die "GPUS=$GPUS: expected a number" ;; esac
    if [ "${CUDA_VISIBLE_DEVICES+set}" = set ]; then
        [ "$CUDA_VISIBLE_DEVICES" = -1 ] || IFS=, read -ra found <<<"$CUDA_VISIBLE_DEVICES"
    else
        mapfile -t found < <(seq 0 $(($( (nvidia-smi -L 2>/dev/null || true) | wc -l) - 1)))
    fi
    [ -n "${GPUS:-}" ] || [ -z "${LAUNCH:-}" ] || [ ${#found[@]} -gt 0 ] ||
        die "LAUNCH=$LAUNCH: no GPU was found here; expected GPUS, how many there are where trainings run"
    GPUS=${GPUS:-${#found[@]}}
    if [ "$GPUS" -gt ${#found[@]} ]; then
        [ -z "${CUDA_VISIBLE_DEVICES+set}" ] || [ -n "${LAUNCH:-}" ] ||
            die "GPUS=$GPUS: expected at most ${#found[@]}, those of CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"
        mapfile -t found < <(seq 0 $((GPUS - 1)))
    fi
    gpus=(${found[@]+"${found[@]:0:GPUS}"}) mine=(${found[@]+"${found[@]:0:GPUS}"})
}
find_gpus
device=()
[ "$GPUS" -gt 0 ] || device=(--cpu)
[ -z "${FP16:-}" ] || device+=(--fp16)

use_corpus() { # use_corpus NAME: $data, which is DATA if that is given, and its languages
    data=${DATA:-$1}
    case $data in
        multi30k) source_language=de target_language=en ;;
        *_??_??) source_language=${data: -5:2} target_language=${data: -2} ;;
        *) die "DATA=$data: expected multi30k or a parallel corpus of recipes/common/data" ;;
    esac
}

# save_often UPDATES...: $save_interval lower where trainings of so few updates would not save the $average checkpoints that are
# averaged; then $log_interval, too: the speed is the median of what is logged, and each checkpoint brings a validation
save_often() {
    local updates
    for updates; do
        [ "$updates" -ge "$average" ] || die "UPDATES=$updates: expected at least $average, as many checkpoints are averaged"
        [ $((save_interval * average)) -gt "$updates" ] || continue
        # fairseq saves none where an epoch ends at that update: one to spare
        save_interval=$((updates / (average + 1)))
        [ "$save_interval" -gt 0 ] || save_interval=1
        log_interval=$((save_interval > 3 ? save_interval / 3 : 1))
    done
}

corpus=$work # its folder; a paper with several corpora sets it before prepare_corpus
prepare_corpus() { # $bin: the binarised corpus; $text: its splits as text
    text=$corpus/text bin=$corpus/bin
    original_text "$text"
    prepare_text
}

prepare_text() { # $bin from $text, which came from elsewhere
    step "$corpus/prepared" prepare "$text" "$corpus" "$source_language" "$target_language" "$subwords" "$vocabulary" \
        --tests "${tests:-test}" ${prepare_options[@]+"${prepare_options[@]}"}
}

subset_of() { # subset_of SPLIT: what fairseq calls it
    case $1 in train | valid) printf '%s' "$1" ;; *) subset "$1" "${tests:-test}" ;; esac
}

original_text() { # original_text TEXT: the splits of $data as text. At SCALE=smoke a miniature in the corpus's own format
    local -x SOURCE=${SOURCE:-} CHECKSUMS=${CHECKSUMS:-}
    local name given=() # what others than the defaults make other text of: the step's command tells
    for name in SOURCE SEGMENTER LONGEST; do [ -z "${!name:-}" ] || given+=("$name=${!name}"); done
    if [ "$SCALE" = smoke ] && [ -z "$SOURCE" ]; then
        SOURCE=$(dirname "$1")/source CHECKSUMS=skip
        step "$SOURCE/made" run python -m recipes.common.data.miniature "$data" "$SOURCE"
    fi
    step "$1/made" run ${given[@]+env "${given[@]}"} bash "$common/data/$data.sh" "$1" ${data_options[@]+"${data_options[@]}"}
}

folder() { # folder SYSTEM: where its model of this seed is
    printf '%s' "$work/$1/seed$seed"
}

model() { # model SYSTEM: the checkpoint that is decoded
    if [ "${average:-1}" -gt 1 ]; then printf '%s' "$(folder "$1")/averaged.pt"; else printf '%s' "$(folder "$1")/checkpoint_last.pt"; fi
}

on() { # on BIN COMMAND...: with another binarised corpus to train on
    local bin=$1
    shift
    "$@"
}

train() { # train SYSTEM OPTIONS...: a model, averaged where the paper does, its size and speed in train.json
    local system=$1 into
    into=$(folder "$1")
    shift
    step "$into/train" fairseq_train "$bin" "$into" "$batch" "$max_tokens" --seed "$seed" "${training[@]}" "$@"
    if [ "${average:-1}" -gt 1 ]; then
        step "$into/average" run fairseq-flexdepth average --inputs "$into" --num-update-checkpoints "$average" \
            --output "$into/averaged.pt"
    fi
    step "$into/measure" run_to "$into/train.json" python -m recipes.common.training "$(model "$system")" "$into/train.log"
}

# fairseq_train BIN FOLDER BATCH MAX_TOKENS OPTIONS...: as many batches an update as my GPUs need for BATCH tokens; BATCH may also
# be "1024 sentences"
fairseq_train() {
    local bin=$1 into=$2 batch=$3 max_tokens=$4 ranks=${#mine[@]} batches
    shift 4
    [ "$ranks" -gt 0 ] || ranks=1
    case $batch in
        *" sentences") batches=(--batch-size $(((${batch% *} + ranks - 1) / ranks))) ;;
        *)
            [ $((max_tokens * ranks)) -le "$batch" ] || max_tokens=$((batch / ranks))
            # fairseq leaves out sentences that are longer
            [ "$SCALE" != paper ] || [ "$ranks" = 1 ] || [ "$max_tokens" -ge 1024 ] ||
                die "$batch tokens an update are $max_tokens for each of $ranks GPUs; expected at least 1024: set JOBS, and each
  training has GPUS / JOBS of them, or fewer GPUS"
            batches=(--max-tokens "$max_tokens"
                --update-freq $(((batch + max_tokens * ranks - 1) / (max_tokens * ranks)))) ;;
    esac
    # shellcheck disable=SC2086  # LAUNCH is several words
    run ${LAUNCH:-} fairseq-train "$bin" --user-dir "$plugin" --save-dir "$into" ${device[@]+"${device[@]}"} \
        "${batches[@]}" --log-format json --log-interval "${log_interval:-100}" "$@"
}

evaluate() { # evaluate SYSTEM SPLIT NAME OPTIONS...: quality and speed on a split at every depth, in NAME/sweep.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" unless "$into/$name/sweep.json" fairseq-flexdepth sweep "$corpus/bin" --path "$(model "$system")" \
        --output "$into/$name" --gen-subset "$(subset_of "$split")" --references "$text/$split.$target_language" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" "$@"
}

generate() { # generate SYSTEM SPLIT NAME OPTIONS...: fairseq-generate's output in NAME.txt, its scores and seconds in NAME.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" log_to "$into/$name.txt" fairseq-generate "$corpus/bin" --user-dir "$plugin" --path "$(model "$system")" \
        --gen-subset "$(subset_of "$split")" ${device[@]+"${device[@]}"} "${decoding[@]}" "$@"
    step "$into/$name-scores" run_to "$into/$name.json" python -m recipes.common.generate_log "$into/$name.txt" \
        --references "$text/$split.$target_language"
}

distill() { # distill NAME TEACHER OPTIONS...: the training set translated by a checkpoint, in $work/NAME
    shared "$work/logs/$1" "$work/$1/distill.json" fairseq-flexdepth distill "$corpus/bin" --path "$2" --dest "$work/$1" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" "${@:3}"
}

# shared NAME FILE COMMAND...: a step, of a command that takes --num-shards and writes FILE last; a share on each GPU. Not for
# what `each` runs, which has GPUs already
shared() {
    local made=$1 file=$2 command=("${@:3}") shares=$((GPUS > 1 ? GPUS : 1)) seed=$seed
    if [ "$shares" -gt 1 ]; then
        JOBS=$shares SEEDS=1 each share $(seq 0 $((shares - 1)))
        command+=(--num-shards "$shares" --merge)
    fi
    step "$made" unless "$file" "${command[@]}"
}

share() { # share NUMBER: one of $shares. `each` has a $name of its own
    step "$made-$1" run "${command[@]}" --num-shards "$shares" --shard-id "$1"
}

best() { # best FILE:KEY OUTPUT SYSTEM...: OUTPUT becomes a link to the model that did best
    local cell=$1 output=$2 system folders=()
    shift 2
    for system; do folders+=("$(model "$system")"); done
    step "$work/logs/$(basename "$output")" run python -m recipes.common.best "$cell" "$output" "${folders[@]}"
}

# table NAME COLUMN=CELL...: measured beside the paper's NAME.tsv, printed, and as NAME.md and NAME.png in $work/results. COLUMN=
# is the paper's alone, +COLUMN=CELL a column that the paper lacks. Cells may use the recipe's $table_values, such as N=6.
# $table_note is printed below
table() {
    local name=$1 cell value columns=()
    shift
    for cell; do columns+=(--column "$cell"); done
    for value in ${table_values[@]+"${table_values[@]}"}; do columns+=(--value "$value"); done
    run mkdir -p "$work/results"
    run python -m recipes.common.table "$recipe/$name.tsv" --work "$work" --scale "$SCALE" --data "$data" "${columns[@]}" \
        ${table_note:+--note "$table_note"} --output "$work/results/$name"
}
