"""The options of fairseq-generate in ``sweep``, ``oracle`` and ``distill``: each acts as in fairseq, or is refused.

Every option of fairseq's parser is in ``ACTING``, ``REFUSED`` or ``WITHOUT_MEANING``; a test fails for a new one.
"""

import argparse
import logging
import os
from typing import TYPE_CHECKING, Any, Dict, FrozenSet, List, Mapping, NamedTuple, Sequence, Tuple

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _names(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


COMMANDS = ("sweep", "oracle", "distill")
FAIRSEQ, CTRANSLATE2 = ENGINES = ("fairseq", "ctranslate2")  # the choices of --engine

# Options that act as in fairseq-generate: fairseq's own code reads them, or corpus/split.py instead.
ACTING = _names(
    # the task, the data and their batches
    "task data user_dir source_lang target_lang gen_subset train_subset dataset_impl load_alignments left_pad_source "
    "left_pad_target max_source_positions max_target_positions truncate_source required_seq_len_multiple max_tokens "
    "batch_size required_batch_size_multiple skip_invalid_size_inputs_valid_test num_shards shard_id "
    # languages and their tags, and speech
    "lang_pairs langs lang_dict source_dict target_dict fixed_dictionary lang_tok_style encoder_langtok "
    "decoder_langtok lang_tok_replacing_bos_eos langtoks langtoks_specs enable_lang_ids prepend_bos config_yaml "
    # models, depths and how they compute
    "path model_overrides cpu fp16 memory_efficient_fp16 seed enc_layers dec_layers subnetworks depth_selector "
    "selector_threshold fast_greedy draft_dec_layers draft_tokens draft_vocabulary retain_dropout "
    "retain_dropout_modules "
    # the search
    "beam nbest max_len_a max_len_b min_len match_source_len unnormalized lenpen unkpen prefix_size "
    "no_repeat_ngram_size sampling sampling_topk sampling_topp temperature diverse_beam_groups diverse_beam_strength "
    "diversity_rate lm_path lm_weight "
    # text, scores and the progress bar
    "post_process bpe tokenizer scoring sacrebleu_tokenizer sacrebleu_lowercase sacrebleu_char_level wer_tokenizer "
    "wer_remove_punct wer_char_level wer_lowercase "
    "no_progress_bar log_format"
)

# Options that are accepted and have no effect, by the reason why they need none.
WITHOUT_MEANING: Dict[str, FrozenSet[str]] = {
    "fairseq-generate does not read it: it is for training": _names(
        "criterion optimizer lr_scheduler log_file aim_repo aim_run_hash tensorboard_logdir wandb_project "
        "azureml_logging fp16_no_flatten_grads fp16_init_scale fp16_scale_window fp16_scale_tolerance "
        "on_cpu_convert_precision min_loss_scale threshold_loss_scale amp_batch_retries amp_init_scale "
        "amp_scale_window empty_cache_freq all_gather_list_size model_parallel_size quantization_config_path profile "
        "reset_logging suppress_crashes use_plasma_view plasma_path valid_subset combine_valid_subsets "
        "ignore_unused_valid_subsets validate_interval validate_interval_updates validate_after_updates "
        "fixed_validation_seed disable_validation max_tokens_valid batch_size_valid max_valid_steps curriculum "
        "grouped_shuffling update_epoch_batch_itr update_ordered_indices_seed keep_pruned "
        "distributed_num_procs distributed_backend distributed_init_method distributed_port device_id "
        "distributed_no_spawn ddp_backend ddp_comm_hook bucket_cap_mb fix_batches_to_gpus find_unused_parameters "
        "gradient_as_bucket_view fast_stat_sync heartbeat_timeout broadcast_buffers slowmo_momentum "
        "slowmo_base_algorithm localsgd_frequency nprocs_per_node pipeline_balance pipeline_devices pipeline_chunks "
        "pipeline_encoder_balance pipeline_encoder_devices pipeline_decoder_balance pipeline_decoder_devices "
        "pipeline_checkpoint zero_sharding no_reshard_after_forward fp32_reduce_scatter cpu_offload "
        "use_sharded_state not_fsdp_flatten_parameters "
        "save_dir restore_file continue_once finetune_from_model reset_dataloader reset_lr_scheduler reset_meters "
        "reset_optimizer optimizer_overrides save_interval save_interval_updates keep_interval_updates "
        "keep_interval_updates_pattern keep_last_epochs keep_best_checkpoints no_save no_epoch_checkpoints "
        "no_last_checkpoints no_save_optimizer_state best_checkpoint_metric maximize_best_checkpoint_metric patience "
        "load_checkpoint_on_all_dp_ranks write_checkpoints_asynchronously "
        "sampling_method sampling_temperature sampling_weights sampling_weights_from_file virtual_epoch_size "
        "virtual_data_size extra_data extra_lang_pairs enable_reservsed_directions_shared_datasets"
    ),
    "fairseq-generate does not read it with --task translation": _names(
        "beam_mt max_len_a_mt max_len_b_mt lenpen_mt eos_token decoding_format iter_decode_eos_penalty "
        "iter_decode_max_iter iter_decode_force_max_iter iter_decode_with_beam "
        "iter_decode_with_external_reranker"
    ),
    "BLEU in the validation of a training": _names(
        "eval_bleu eval_bleu_args eval_bleu_depths eval_bleu_detok eval_bleu_detok_args eval_tokenized_bleu "
        "eval_bleu_remove_bpe eval_bleu_print_samples"
    ),
    "fairseq no longer reads it": _names(
        "no_early_stop no_beamable_mm no_seed_provided keep_inference_langtok"
    ),
    "it only silences a warning of fairseq-generate; BLEU is sacrebleu's": _names("sacrebleu"),
    "no sentences are printed": _names("quiet"),
    "no lines are logged while decoding": _names("log_interval"),
    "batches are collated in the process that decodes, outside the times": _names("num_workers data_buffer_size"),
    "one directory is read, and a split of it as one part": _names("upsample_primary"),
}


class Refusal(NamedTuple):
    """The reason to refuse an option, and the values that are accepted besides its default."""

    reason: str
    allowed: Tuple[Any, ...] = ()


_OUTPUT = Refusal("{command} writes its own files")
_HALF = Refusal("fairseq-generate ignores it; expected --fp16 or full precision")
_FILE = Refusal("expected the names of the files in --path")
_UNSUPPORTED = Refusal("not supported by {command}")
_EVERY_DEPTH = Refusal("{command} decodes at every depth")
_WHOLE_SPLIT = Refusal("sweep decodes the whole split")
_ALL: Dict[str, Refusal] = {
    "scoring": Refusal("expected sacrebleu, which computes BLEU and chrF", ("sacrebleu",)),
    "log_format": Refusal("expected tqdm, a progress bar, or none", ("tqdm", "none")),
    "num_batch_buckets": Refusal("not supported: it only adds padding; translations are the same without it"),
    "results_path": _OUTPUT,
    **dict.fromkeys(("bf16", "memory_efficient_bf16", "tpu", "amp"), _HALF),
    **dict.fromkeys(("checkpoint_suffix", "checkpoint_shard_count"), _FILE),
    **dict.fromkeys(
        ("replace_unk", "score_reference", "constraints", "print_alignment", "print_step", "retain_iter_history",
         "pipeline_model_parallel", "multitask_config_yaml"),
        _UNSUPPORTED,
    ),
}  # fmt: skip
_SHARDED = Refusal("expected --num-shards and --shard-id")
# The refused options of each sub-command.
REFUSED: Dict[str, Dict[str, Refusal]] = {
    "sweep": {
        **_ALL,
        **dict.fromkeys(("num_shards", "shard_id", "distributed_world_size", "distributed_rank"), _WHOLE_SPLIT),
        "depth_selector": _EVERY_DEPTH,
        "scoring": Refusal("expected sacrebleu, which computes BLEU and chrF, or wer", ("sacrebleu", "wer")),
    },
    "oracle": {
        **_ALL,
        **dict.fromkeys(("distributed_world_size", "distributed_rank"), _SHARDED),
        **dict.fromkeys(
            ("enc_layers", "dec_layers", "depth_selector", "draft_dec_layers", "draft_tokens", "draft_vocabulary"),
            _EVERY_DEPTH,
        ),
    },
    "distill": {
        **_ALL,
        **dict.fromkeys(("distributed_world_size", "distributed_rank"), _SHARDED),
        "upsample_primary": Refusal("distill translates each source once", (1,)),
    },
}
_OTHER_SEARCH = Refusal("CTranslate2 searches in another way, or not at all")
_PROBABILITIES = Refusal("CTranslate2 applies it before the softmax, fairseq after it")
_QUANTIZATION = Refusal("expected --quantization float16")
# The options that the engine refuses in every sub-command.
REFUSED_BY_ENGINE: Dict[str, Dict[str, Refusal]] = {
    FAIRSEQ: {},
    CTRANSLATE2: {
        **dict.fromkeys(
            ("sampling", "sampling_topk", "sampling_topp", "temperature", "diverse_beam_groups",
             "diverse_beam_strength", "diversity_rate", "match_source_len", "prefix_size", "retain_dropout",
             "retain_dropout_modules", "lm_path", "lm_weight", "depth_selector", "selector_threshold", "fast_greedy",
             "draft_dec_layers", "draft_tokens", "draft_vocabulary"),
            _OTHER_SEARCH,
        ),
        **dict.fromkeys(("unkpen", "no_repeat_ngram_size"), _PROBABILITIES),
        "min_len": _PROBABILITIES._replace(allowed=(0,)),
        **dict.fromkeys(("fp16", "memory_efficient_fp16"), _QUANTIZATION),
    },
}  # fmt: skip


def check_task(name: str, command: str) -> None:
    """Refuse a task that *command* does not support.

    Raises:
        ValueError: *name* is such a task.
    """
    from fairseq_flexdepth.decoding.model_depth import SPEECH_TASK, TAGGED_TASKS, TASKS

    supported = TASKS if command == "oracle" else (*TASKS, *TAGGED_TASKS)
    if command == "sweep":
        supported = (*supported, SPEECH_TASK)
    if name not in supported:
        why = {SPEECH_TASK: "; speech has no source words"}.get(name, "")
        why = "; a depth selector knows no language tags" if name in TAGGED_TASKS else why
        raise ValueError(f"--task {name}: {command} takes {', '.join(supported)}{why}")


def refuse_options(
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    command: str,
    refused: Mapping[str, Refusal],
    engine: str = FAIRSEQ,
    paths: Sequence[str] = (),
) -> None:
    """Refuse the options that *command* or *engine* does not support, all in one message.

    Args:
        parser: fairseq's parser, for the default values.
        given: the options as typed.
        command: the sub-command.
        refused: the options that it refuses, such as ``REFUSED[command]``.
        engine: one of ``ENGINES``.
        paths: the values of ``--path``, if it can be given several times: CTranslate2 decodes with no ensembles.

    Raises:
        ValueError: at least one option is refused.
    """
    by_reason: Dict[str, List[str]] = {}
    for name, refusal in {**REFUSED_BY_ENGINE[engine], **refused}.items():
        default = parser.get_default(name)
        value = getattr(given, name, default)
        if value != default and value not in refusal.allowed:
            option = f"--{name.replace('_', '-')}"
            by_reason.setdefault(refusal.reason, []).append(option if value is True else f"{option} {value}")
    models = paths or [getattr(given, "path", None) or ""]
    ensembles = [f"--path {path}" for path in models if engine == CTRANSLATE2 and os.pathsep in path]
    if ensembles:
        by_reason["CTranslate2 decodes with one model, not an ensemble"] = ensembles
    if by_reason:
        reasons = [f"{', '.join(options)}: {reason.format(command=command)}" for reason, options in by_reason.items()]
        several = len(by_reason) > 1 or any(len(options) > 1 for options in by_reason.values())
        raise ValueError(f"{'; '.join(reasons)}; leave {'them' if several else 'it'} out")


def check_files_given(args: argparse.Namespace, verb: str) -> None:
    """Check that ``--path`` is given and that DATA exists.

    Args:
        args: the options.
        verb: what the sub-command does with the checkpoint, for the message.

    Raises:
        ValueError: one is missing.
    """
    if args.path is None:
        raise ValueError(f"--path: required, the checkpoint to {verb} with")
    if not os.path.isdir(args.data.split(os.pathsep)[0]):
        raise ValueError(f"DATA {args.data}: no such directory")


def check_values(args: argparse.Namespace) -> None:
    """Refuse option values at which fairseq would fail with a traceback.

    Raises:
        ValueError: ``--path`` or DATA is missing, a number is too small, or ``--tokenizer moses`` lacks the languages.
    """
    check_files_given(args, "decode")
    for option in ("beam", "nbest", "required_batch_size_multiple", "required_seq_len_multiple"):
        if getattr(args, option) < 1:
            raise ValueError(f"--{option.replace('_', '-')} {getattr(args, option)}: expected 1 or more")
    direction = [getattr(args, name, None) for name in ("source_lang", "target_lang")]
    if getattr(args, "lang_pairs", None) is not None and None in direction:
        raise ValueError(f"--lang-pairs {args.lang_pairs}: needs --source-lang and --target-lang, one direction")
    if args.tokenizer == "moses" and None in direction:
        raise ValueError("--tokenizer moses: needs --source-lang and --target-lang")


def composed(args: argparse.Namespace) -> "DictConfig":
    """Turn parsed options into fairseq's configuration.

    Raises:
        ValueError: hydra refuses a value.
    """
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)  # if it fails, fairseq first logs all options
    try:
        return convert_namespace_to_omegaconf(args)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(f"fairseq refuses these options: {error}") from error
    finally:
        logging.disable(disabled)


def hides_progress(config: "DictConfig") -> bool:
    """Whether ``--no-progress-bar`` or ``--log-format none`` hides the progress bar."""
    return bool(config.common.no_progress_bar) or config.common.log_format == "none"
