# shellcheck shell=bash
# shellcheck disable=SC2154  # setup.sh sets what the next lines name
# The start of every recipe: scale, folder, GPUs, and the steps from a corpus to scores. Sourced by the setup.sh of each paper,
# which then sets, by $SCALE:
#
#   data, source_language, target_language   a script of recipes/common/data, and its languages
#   subwords, vocabulary, prepare_options    arguments of prepare (prepare.sh)
#   tests        its test sets, separated by commas (default: test)
#   training     options of fairseq-train that all systems of the paper share
#   batch        tokens per update
#   max_tokens   tokens per batch of a GPU (or of the CPU), at most; with batch_unit a multiple of it
#   average      number of last checkpoints to average (1: no averaging)
#   decoding     options of fairseq-generate, including those that decode_options (prepare.sh) prints
#
# Environment, beside run.sh's: SCALE; WORK, the folder for all output; DATA, another data set; SOURCE, a folder with the original
# files of the data; GPUS, their number (default: all, or those of CUDA_VISIBLE_DEVICES; 0: the CPU); FP16=1, which GPUs obey;
# LAUNCH, a command put before every fairseq-train (recipes/common/slurm.sh).
common=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=recipes/common/run.sh
source "$common/run.sh"
# shellcheck source=recipes/common/prepare.sh
source "$common/prepare.sh"
# shellcheck source=recipes/common/short_run.sh
source "$common/short_run.sh"

case ${SCALE:=smoke} in smoke | small | paper) ;; *) die "SCALE=$SCALE: expected smoke, small or paper" ;; esac
recipe=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
work=${WORK:-$recipe/work/$SCALE${DATA:+-$DATA}}

find_gpus() { # set $gpus: the GPUs to use, as named in CUDA_VISIBLE_DEVICES, or else numbers
    local found=()
    case ${GPUS:-0} in *[!0-9]*) die "GPUS=$GPUS: expected a number" ;; esac
    if [ "${CUDA_VISIBLE_DEVICES+set}" = set ]; then
        [ "$CUDA_VISIBLE_DEVICES" = -1 ] || IFS=, read -ra found <<<"$CUDA_VISIBLE_DEVICES"
    else
        mapfile -t found < <(seq 0 $(($( (nvidia-smi -L 2>/dev/null || true) | wc -l) - 1)))
    fi
    [ -n "${GPUS:-}" ] || [ -z "${LAUNCH:-}" ] || [ ${#found[@]} -gt 0 ] ||
        die "LAUNCH=$LAUNCH: no GPU was found here; expected GPUS, the number of GPUs where trainings run"
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
[ -z "${FP16:-}" ] || [ "$GPUS" = 0 ] || device+=(--fp16)

# at SCALE=paper a recipe stops here if one of its batches does not fit the GPUs: its dry run fails
if [ "$SCALE" = paper ] && [ -z "${DRY_RUN:-}" ] && [ "$GPUS" -gt 1 ]; then
    refused=$(DRY_RUN=1 bash "${BASH_SOURCE[-1]}" 2>&1 >/dev/null) || { sed -n '/^error:/,$p' <<<"$refused" >&2; exit 1; }
fi
[ -n "${DRY_RUN:-}" ] || mkdir -p "$work"

use_corpus() { # use_corpus NAME: set $data to NAME, or to DATA if it is set, and its languages
    data=${DATA:-$1}
    case $data in
        multi30k) source_language=de target_language=en ;;
        *_??_??) source_language=${data: -5:2} target_language=${data: -2} ;;
        *) die "DATA=$data: expected multi30k or a parallel corpus of recipes/common/data" ;;
    esac
}

# save_often UPDATES...: lower $save_interval if trainings of so few updates would save fewer than $average checkpoints; then lower
# $log_interval, too, since the speed is the median of the logged intervals and validation follows each checkpoint
save_often() {
    local updates
    for updates; do
        [ "$updates" -ge "$average" ] || die "UPDATES=$updates: expected at least $average, as many checkpoints are averaged"
        [ $((save_interval * average)) -gt "$updates" ] || continue
        # one more than needed: fairseq saves no checkpoint at an update that ends an epoch
        save_interval=$((updates / (average + 1)))
        [ "$save_interval" -gt 0 ] || save_interval=1
        log_interval=$((save_interval > 3 ? save_interval / 3 : 1))
    done
}

corpus=$work # the folder of the corpus; a paper with several corpora sets it before prepare_corpus
prepare_corpus() { # make and set $bin, the binarised corpus, and $text, its splits as text
    text=$corpus/text bin=$corpus/bin
    original_text "$text"
    prepare_text
}

prepare_text() { # make $bin from $text
    step "$corpus/prepared" prepare "$text" "$corpus" "$source_language" "$target_language" "$subwords" "$vocabulary" \
        --tests "${tests:-test}" ${prepare_options[@]+"${prepare_options[@]}"}
}

subset_of() { # subset_of SPLIT: print fairseq's name of a split
    case $1 in train | valid) printf '%s' "$1" ;; *) subset "$1" "${tests:-test}" ;; esac
}

original_text() { # original_text TEXT: make the splits of $data as text; at SCALE=smoke of a miniature in the original format
    local -x SOURCE=${SOURCE:-} CHECKSUMS=${CHECKSUMS:-}
    local name given=() # settings that change the text are part of the step's command
    for name in SOURCE SEGMENTER LONGEST; do [ -z "${!name:-}" ] || given+=("$name=${!name}"); done
    if [ "$SCALE" = smoke ] && [ -z "$SOURCE" ]; then
        SOURCE=$(dirname "$1")/source CHECKSUMS=skip
        step "$SOURCE/made" run python -m recipes.common.data.miniature "$data" "$SOURCE"
    fi
    step "$1/made" run ${given[@]+env "${given[@]}"} bash "$common/data/$data.sh" "$1" ${data_options[@]+"${data_options[@]}"}
}

folder() { # folder SYSTEM: print the folder of its model with this seed
    printf '%s' "$work/$1/seed$seed"
}

model() { # model SYSTEM: print the path of the checkpoint to decode with
    if [ "${average:-1}" -gt 1 ]; then printf '%s' "$(folder "$1")/averaged.pt"; else printf '%s' "$(folder "$1")/checkpoint_last.pt"; fi
}

on() { # on BIN COMMAND...: run a command with BIN as the training data
    local bin=$1
    shift
    "$@"
}

train() { # train SYSTEM OPTIONS...: train a model, average its checkpoints if $average > 1, and write size and speed to train.json
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

# split_batch BATCH MAX_TOKENS RANKS: set $batches, the options of fairseq-train for updates of BATCH tokens, or of "128 sentences",
# on this number of GPUs. At SCALE=paper it fails if an update would differ by more than 1 %, or if a GPU would get fewer than 1,024
# tokens: fairseq skips sentences that are longer than a batch
split_batch() {
    local whole=${1% sentences} most=$2 ranks=$3 frequency size unit=${batch_unit:-1}
    if [ "$whole" != "$1" ]; then
        frequency=1 size=$(((whole + ranks - 1) / ranks)) batches=(--batch-size "$size")
    else
        frequency=$(((whole + most * ranks - 1) / (most * ranks)))
        # shellcheck disable=SC2017  # rounded up to whole units
        size=$(((whole + frequency * ranks * unit - 1) / (frequency * ranks * unit) * unit))
        batches=(--max-tokens "$size" --update-freq "$frequency")
        [ "$SCALE" != paper ] || [ "$ranks" = 1 ] || [ "$size" -ge 1024 ] || return 1
    fi
    [ "$SCALE" != paper ] || [ $(((size * frequency * ranks - whole) * 100)) -le "$whole" ]
}

possible_ranks() { # possible_ranks BATCH MAX_TOKENS: print the numbers of GPUs, up to 8, on which an update has as many tokens
    local ranks batches
    for ranks in {1..8}; do if split_batch "$1" "$2" "$ranks"; then printf ' %s' "$ranks"; fi; done
}

# fairseq_train BIN FOLDER BATCH MAX_TOKENS OPTIONS...: run fairseq-train with BATCH tokens per update, accumulating batches of at
# most MAX_TOKENS as the number of GPUs requires; BATCH may also be "1024 sentences". If --save-interval-updates is among the
# OPTIONS, it alone decides when to save and to validate: some epochs have only 20 updates
fairseq_train() {
    local bin=$1 into=$2 batch=$3 max_tokens=$4 ranks=${#mine[@]} batches word previous='' interval=''
    local unit=' tokens' rule=', with at least 1024 tokens on each' intervals=()
    shift 4
    [ "$ranks" -gt 0 ] || ranks=1
    case $batch in *sentences) unit='' rule='' ;; esac
    split_batch "$batch" "$max_tokens" "$ranks" ||
        die "$batch$unit per update: not possible on $ranks GPUs within 1 %$rule; expected one of$(
            possible_ranks "$batch" "$max_tokens"): set GPUS or JOBS, since each training uses GPUS / JOBS of them"
    for word; do
        [ "$previous" != --save-interval-updates ] || interval=$word
        previous=$word
    done
    # --validate-interval-updates: fairseq does not validate after saving where an update ends an epoch
    [ -z "$interval" ] || intervals=(--save-interval 1000000 --validate-interval 1000000 --validate-interval-updates "$interval")
    # shellcheck disable=SC2086  # LAUNCH has several words
    run ${LAUNCH:-} fairseq-train "$bin" --user-dir "$plugin" --save-dir "$into" ${device[@]+"${device[@]}"} \
        "${batches[@]}" ${intervals[@]+"${intervals[@]}"} --log-format json --log-interval "${log_interval:-100}" "$@"
}

evaluate() { # evaluate SYSTEM SPLIT NAME OPTIONS...: write quality and speed at every depth pair to NAME/sweep.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" unless "$into/$name/sweep.json" fairseq-flexdepth sweep "$corpus/bin" --path "$(model "$system")" \
        --output "$into/$name" --gen-subset "$(subset_of "$split")" --references "$text/$split.$target_language" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" "$@"
}

generate() { # generate SYSTEM SPLIT NAME OPTIONS...: write fairseq-generate's output to NAME.txt, scores and seconds to NAME.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" log_to "$into/$name.txt" fairseq-generate "$corpus/bin" --user-dir "$plugin" --path "$(model "$system")" \
        --gen-subset "$(subset_of "$split")" ${device[@]+"${device[@]}"} "${decoding[@]}" "$@"
    step "$into/$name-scores" run_to "$into/$name.json" python -m recipes.common.generate_log "$into/$name.txt" \
        --references "$text/$split.$target_language"
}

distill() { # distill NAME TEACHER OPTIONS...: translate the training set by a checkpoint, into $work/NAME
    local decoded=$corpus/bin into=$work/$1
    sample_to_distill
    shared "$work/logs/$1" "$into/distill.json" fairseq-flexdepth distill "$decoded" --path "$2" --dest "$into" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" "${@:3}"
}

# shared NAME FILE COMMAND...: a step whose command accepts --num-shards and writes FILE last: one shard per GPU. Not within `each`,
# which has assigned the GPUs already
shared() {
    local made=$1 file=$2 command=("${@:3}") shares=$((GPUS > 1 ? GPUS : 1)) seed=$seed
    if [ "$shares" -gt 1 ]; then
        JOBS=$shares SEEDS=1 each share $(seq 0 $((shares - 1)))
        command+=(--num-shards "$shares" --merge)
    fi
    step "$made" unless "$file" "${command[@]}"
}

share() { # share NUMBER: run one of $shares shards; $made and not $name, which `each` sets
    step "$made-$1" run "${command[@]}" --num-shards "$shares" --shard-id "$1"
}

best() { # best FILE:KEY OUTPUT SYSTEM...: make OUTPUT a link to the best model
    local cell=$1 output=$2 system folders=()
    shift 2
    for system; do folders+=("$(model "$system")"); done
    step "$work/logs/$(basename "$output")" run python -m recipes.common.best "$cell" "$output" "${folders[@]}"
}

# table NAME COLUMN=CELL...: print measured values beside the paper's NAME.tsv, and write NAME.md and NAME.png to $work/results.
# COLUMN= has the paper's values alone; +COLUMN=CELL adds a column that the paper lacks. Cells may use the recipe's $table_values,
# such as N=6. $table_note is printed below the table
table() {
    local name=$1 cell value columns=()
    shift
    for cell; do columns+=(--column "$cell"); done
    for value in ${table_values[@]+"${table_values[@]}"}; do columns+=(--value "$value"); done
    run mkdir -p "$work/results"
    run python -m recipes.common.table "$recipe/$name.tsv" --work "$work" --scale "$SCALE" --data "$data" "${columns[@]}" \
        ${table_note:+--note "$table_note"} --output "$work/results/$name"
}
