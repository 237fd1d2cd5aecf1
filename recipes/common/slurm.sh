#!/usr/bin/env bash
# A command under Slurm: LAUNCH=recipes/common/slurm.sh recipes/... ; SLURM_OPTIONS are srun's.
# shellcheck disable=SC2086  # several words
exec srun ${SLURM_OPTIONS---nodes=1 --ntasks=1 --gpus-per-node=8} "$@"
