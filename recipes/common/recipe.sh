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
#   training_pairs   number of training pairs, a random sample (default: all)
#   average      number of last checkpoints to average (1: no averaging)
#   decoding     options of fairseq-generate, including those that decode_options (prepare.sh) prints
#
# Environment, beside that of run.sh and gpus.sh: SCALE; WORK, the folder for all output; DATA, another data set; SOURCE, a folder
# with the original files of the data; ONLY, the systems to train, or list; KEEP=all, no checkpoint is deleted; CHECK=1, only print
# what would stop the recipe (check.py); CHECK=skip, do not look for it.
common=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=recipes/common/run.sh
source "$common/run.sh"
# shellcheck source=recipes/common/gpus.sh
source "$common/gpus.sh"
# shellcheck source=recipes/common/batches.sh
source "$common/batches.sh"
# shellcheck source=recipes/common/prepare.sh
source "$common/prepare.sh"
# shellcheck source=recipes/common/short_run.sh
source "$common/short_run.sh"

case ${SCALE:=smoke} in smoke | small | paper) ;; *) die "SCALE=$SCALE: expected smoke, small or paper" ;; esac
case ${KEEP:-} in '' | all) ;; *) die "KEEP=$KEEP: expected all, or nothing" ;; esac
recipe=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
work=${WORK:-$recipe/work/$SCALE${DATA:+-$DATA}}
case $work in /*) ;; *) work=$PWD/$work ;; esac
find_gpus

[ "${ONLY:-}" != list ] || exec python -m recipes.common.plan list "${BASH_SOURCE[-1]}" --work "$work"
# before any data or training, a recipe stops here if something would stop it later; smoke stops soon enough by itself
[ "${1:-}" != --check ] || CHECK=1
case ${CHECK:-} in '' | 1 | skip) ;; *) die "CHECK=$CHECK: expected 1 or skip" ;; esac
case ${DRY_RUN:+dry}-$SCALE-${CHECK:-} in
    dry-* | *-skip | -smoke-) ;;
    -*-) python -m recipes.common.check --quiet "${BASH_SOURCE[-1]}" >&2 || exit 1 ;;
    *) exec python -m recipes.common.check "${BASH_SOURCE[-1]}" ;;
esac
if [ -n "${ONLY:-}" ]; then
    chosen=$(python -m recipes.common.plan steps "${BASH_SOURCE[-1]}" --work "$work") || exit 1
    while read -r name; do chosen_steps[$name]=1; done <<<"$chosen"
fi
[ -n "${DRY_RUN:-}" ] || mkdir -p "$work"

use_corpus() { # use_corpus NAME: set $data to NAME, or to DATA if it is set, and its languages
    data=${DATA:-$1}
    case $data in
        multi30k | grammar) source_language=de target_language=en ;;
        *_??_??) source_language=${data: -5:2} target_language=${data: -2} ;;
        *) die "DATA=$data: expected multi30k or a parallel corpus of recipes/common/data" ;;
    esac
}

corpus=$work # the folder of the corpus; a paper with several corpora sets it before prepare_corpus
prepare_corpus() { # make and set $bin, the binarised corpus, and $text, its splits as text
    text=$corpus/text bin=$corpus/bin
    if [ -n "${training_pairs:-}" ]; then
        original_text "$corpus/whole"
        sample "$corpus/sample" text "$corpus/whole" "$text" "$training_pairs"
    else
        original_text "$text"
    fi
    prepare_text
}

prepare_text() { # make $bin from $text
    step "$corpus/prepared" with_data "$(checksum_of "$text")" prepare "$text" "$corpus" "$source_language" "$target_language" "$subwords" "$vocabulary" \
        --tests "${tests:-test}" ${prepare_options[@]+"${prepare_options[@]}"}
}

sample() { # sample STEP KIND FROM TO PAIRS: sample sentence pairs of the training set of a corpus
    step "$1" run python -m recipes.common.sample "${@:2:3}" "$source_language" "$target_language" --sentences "$5"
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
    elif [ "${DRY_RUN:-}" = data ]; then # for check.py: the commands of the data script, too; its mistakes do not end the dry run
        bash "$common/data/$data.sh" "$1" ${data_options[@]+"${data_options[@]}"} || true
    fi
    step "$1/made" run ${given[@]+env "${given[@]}"} bash "$common/data/$data.sh" "$1" ${data_options[@]+"${data_options[@]}"}
}

folder() { # folder SYSTEM: print the folder of its model with this seed
    printf '%s' "$work/$1/seed$seed"
}

model() { # model SYSTEM: print the path of the checkpoint to decode with
    if [ "${average:-1}" -gt 1 ]; then printf '%s' "$(folder "$1")/averaged.pt"; else printf '%s' "$(folder "$1")/checkpoint_last.pt"; fi
}

checksum_of() { # checksum_of FOLDER: print the checksum of the data in a folder
    # in a dry run, and with ONLY, it need not exist
    [ -n "${DRY_RUN:-}" ] || ! ls "$1"/*.* >/dev/null 2>&1 || python -m recipes.common.checksum "$1"
}

with_data() { # with_data CHECKSUM COMMAND...: run a command; the checksum of its data is part of a step's identity
    "${@:2}"
}

on() { # on BIN COMMAND...: run a command with BIN as the training data
    local bin=$1
    shift
    "$@"
}

# train SYSTEM OPTIONS...: train a model, average its checkpoints if $average > 1, and write size and speed to train.json. The
# checkpoints that were averaged are deleted, unless KEEP=all
train() {
    local system=$1 into
    into=$(folder "$1")
    shift
    step "$into/train" with_data "$(checksum_of "$bin")" \
        fairseq_train "$bin" "$into" "$batch" "$max_tokens" --seed "$seed" "${training[@]}" "$@"
    if [ "${average:-1}" -gt 1 ]; then
        step "$into/average" run fairseq-flexdepth average --inputs "$into" --num-update-checkpoints "$average" \
            --output "$into/averaged.pt"
        [ -n "${KEEP:-}${DRY_RUN:-}" ] || [ ! -e "$into/average.done" ] || rm -f "$into"/checkpoint_[0-9]*_[0-9]*.pt
    fi
    step "$into/measure" run_to "$into/train.json" python -m recipes.common.training "$(model "$system")" "$into/train.log"
}

evaluate() { # evaluate SYSTEM SPLIT NAME OPTIONS...: write quality and speed at every depth pair to NAME/sweep.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" unless "$into/$name/sweep.json" on_device fairseq-flexdepth sweep "$corpus/bin" --path "$(model "$system")" \
        --output "$into/$name" --gen-subset "$(subset_of "$split")" --references "$text/$split.$target_language" \
        ${device[@]+"${device[@]}"} "${decoding[@]}" "$@"
}

generate() { # generate SYSTEM SPLIT NAME OPTIONS...: write fairseq-generate's output to NAME.txt, scores and seconds to NAME.json
    local system=$1 split=$2 name=$3 into
    into=$(folder "$1")
    shift 3
    step "$into/$name" log_to "$into/$name.txt" on_device fairseq-generate "$corpus/bin" --user-dir "$plugin" --path "$(model "$system")" \
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

# shared NAME FILE COMMAND...: a step whose command accepts --num-shards and writes FILE last: one shard per GPU. Not within `each`
shared() {
    step "$1" unless "$2" in_shards "$1" "${@:3}"
}

best() { # best FILE:KEY OUTPUT SYSTEM...: make OUTPUT a link to the best model
    local cell=$1 output=$2 system folders=()
    shift 2
    for system; do folders+=("$(folder "$system")"); done
    step "$work/logs/$(basename "$output")" run python -m recipes.common.best "$cell" "$output" \
        "$(basename "$(model "$1")")" "${folders[@]}"
}

# summary COMMAND...: run a command that prints or draws what was measured. With ONLY it may fail, since systems may be missing
summary() {
    local status
    [ "${ONLY:-}" != data ] || return 0
    set +e
    (set -e; "$@")
    status=$?
    set -e
    [ $status = 0 ] || [ -n "${ONLY:-}" ] || exit $status
}

# shellcheck disable=SC2034  # for the tables with times or speeds of training
training_time_note="Times and speeds of training can be compared where one kind of device was used, and no two trainings shared one: \
with JOBS=1, or with at least as many GPUS as JOBS."

# table NAME COLUMN=CELL...: print measured values beside the paper's NAME.tsv, and write NAME.md and NAME.png to $work/results.
# COLUMN= has the paper's values alone; +COLUMN=CELL adds a column that the paper lacks. Cells may use the recipe's $table_values,
# such as N=6. $table_note is printed below the table
table() {
    local name=$1 cell value columns=()
    shift
    for cell; do columns+=(--column "$cell"); done
    for value in ${table_values[@]+"${table_values[@]}"}; do columns+=(--value "$value"); done
    run mkdir -p "$work/results"
    summary run python -m recipes.common.table "$recipe/$name.tsv" --work "$work" --scale "$SCALE" --data "$data" "${columns[@]}" \
        ${table_note:+--note "$table_note"} --output "$work/results/$name"
}
