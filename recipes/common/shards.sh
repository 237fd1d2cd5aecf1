#!/usr/bin/env bash
# Run a command that accepts --num-shards on several GPUs, one shard per GPU at a time, then merge the shards:
#
#   shards.sh SHARDS GPUS LOG COMMAND...
#
# The output of shard N is added to LOG-N.log. The GPUs are those of CUDA_VISIBLE_DEVICES, or else 0 to GPUS - 1.
set -euo pipefail
shards=$1 number=$2 log=$3
shift 3
if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
    IFS=, read -ra gpus <<<"$CUDA_VISIBLE_DEVICES"
    gpus=("${gpus[@]:0:number}")
else
    mapfile -t gpus < <(seq 0 $((number > 0 ? number - 1 : 0)))
fi
[ "$number" != 0 ] || gpus=("") # on the CPU

on_gpu() { # on_gpu NUMBER COMMAND...: decode every shard that falls to a GPU
    local shard
    export CUDA_VISIBLE_DEVICES=${gpus[$1]}
    for shard in $(seq "$1" ${#gpus[@]} $((shards - 1))); do
        "${@:2}" --num-shards "$shards" --shard-id "$shard" >>"$log-$shard.log" 2>&1 ||
            { tail -n 20 "$log-$shard.log" >&2; echo "error: shard $shard failed; its log: $log-$shard.log" >&2; return 1; }
    done
}

processes=() status=0
for gpu in "${!gpus[@]}"; do
    on_gpu "$gpu" "$@" &
    processes+=($!)
done
for process in "${processes[@]}"; do wait "$process" || status=1; done
[ $status = 0 ] || exit 1
"$@" --num-shards "$shards" --merge
