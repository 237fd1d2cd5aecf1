#!/usr/bin/env bash
# Train the systems of a recipe by Slurm, each in a job of its own:
#
#   SCALE=paper WORK=/shared/folder GPUS=8 recipes/common/slurm_array.sh RECIPE.sh [OPTIONS of sbatch, such as --gpus-per-node=8]
#
# The corpora are made here, since compute nodes often have no network. Systems that do not need each other form a job array, which
# starts when the systems that it needs are finished. A last job measures decoding times and prints the tables. WORK is a folder
# that all nodes share, GPUS the number of GPUs per job. Run the same command again after a failure: what is finished is kept.
set -euo pipefail
common=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$common/../.." && pwd)
export PYTHONPATH=$repository${PYTHONPATH:+:$PYTHONPATH}
fail() { echo "error: $*" >&2; exit 1; }
if [ $# -lt 1 ] || [ ! -e "$1" ]; then fail "usage: slurm_array.sh RECIPE.sh [OPTIONS of sbatch]"; fi
script=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
[ -n "${WORK:-}" ] || fail "WORK: expected a folder that all nodes share"
[ -n "${GPUS:-}" ] || fail "GPUS: expected the number of GPUs per job"
mkdir -p "$WORK/slurm"
WORK=$(cd "$WORK" && pwd)
export WORK GPUS ONLY

ONLY=data bash "$script"
levels=$(python -m recipes.common.plan levels "$script" --work "$WORK")

submit() { # submit OPTIONS...: submit a job that runs the recipe after $previous, and print its number
    sbatch --parsable --export=ALL --output="$WORK/slurm/%A-%a.log" ${previous:+--dependency="afterok:$previous"} "$@"
}

previous=
while read -ra names; do
    ONLY=${names[*]}
    # shellcheck disable=SC2016  # for the job
    previous=$(submit --job-name="$(basename "$script" .sh)" --array="0-$((${#names[@]} - 1))" "$@" --wrap \
        'read -ra names <<<"$ONLY"; ONLY=${names[SLURM_ARRAY_TASK_ID]} exec bash '"$(printf '%q' "$script")")
    echo "job $previous: ${names[*]}"
done <<<"$levels"
ONLY=
previous=$(submit --job-name=tables "$@" --wrap "exec bash $(printf '%q' "$script")")
echo "job $previous: tables"
