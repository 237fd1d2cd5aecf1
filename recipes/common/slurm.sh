#!/usr/bin/env bash
# Run a command by Slurm: LAUNCH=recipes/common/slurm.sh recipes/... ; SLURM_OPTIONS are the options of srun.
# shellcheck disable=SC2086  # several words
exec srun ${SLURM_OPTIONS---nodes=1 --ntasks=1 --gpus-per-node=8} "$@"
