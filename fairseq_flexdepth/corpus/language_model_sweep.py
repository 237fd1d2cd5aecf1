"""The perplexity and the speed of language models at every depth, computed as ``fairseq-eval-lm`` does."""

from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Callable, List, Optional, Sequence, Tuple

from fairseq import tasks, utils
from fairseq_cli.eval_lm import eval_lm
from omegaconf import DictConfig

from fairseq_flexdepth.corpus.engine import supported_only
from fairseq_flexdepth.corpus.every_depth import set_depth
from fairseq_flexdepth.corpus.loaded_models import load_models, uses_cuda
from fairseq_flexdepth.corpus.sweep_rows import short_names
from fairseq_flexdepth.decoding.clock import seconds_now
from fairseq_flexdepth.decoding.model_depth import common_pairs
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.depth.trade_off import best_within, pareto_front

EVAL_LM_TOKENS = 36000  # fairseq-eval-lm's --max-tokens where neither it nor --batch-size is given


@dataclass(frozen=True)
class LanguageModelRow:
    """Quality and speed of one model at one depth."""

    path: str  # of the checkpoint or the ensemble, as --path gives it
    model: str  # a short name of the model
    dec_layers: int
    perplexity: float
    nll_loss: float  # bits per token
    seconds: float  # of the whole split: the median of its repeats
    relative_seconds: float  # divided by the seconds of the baseline
    tokens_per_second: float
    seconds_min: float  # of the fastest repeat
    seconds_max: float  # of the slowest repeat
    repeats: int
    tokens: int
    pareto: bool = False  # on the Pareto front of perplexity and time
    best_within_budget: Optional[bool] = None  # None without --budget

    @property
    def system(self) -> str:
        """The model, which the report compares with others."""
        return self.path

    @property
    def choice(self) -> str:
        """What the row is the best choice for, in words; empty for most rows."""
        return "best within budget" if self.best_within_budget else ""


class LanguageModelSweep:
    """Language models and a text to score with them.

    Args:
        cfg: the options of ``fairseq-eval-lm``.
        paths: models, or ensembles ``a.pt:b.pt``.
        depths: the depth pairs (0, m) to score at; ``None`` for all.

    Raises:
        ValueError: a checkpoint does not hold a language model, a depth is not supported, or the text cannot be read.
    """

    def __init__(self, cfg: DictConfig, paths: Sequence[str], depths: Optional[Sequence[DepthPair]]) -> None:
        self.cfg, self.paths = cfg, list(paths)
        cfg.task.tokens_per_sample -= cfg.eval_lm.context_window
        self.task = tasks.setup_task(cfg.task)
        self.ensembles = [self._load(path) for path in paths]
        pairs = [common_pairs(models) for models in self.ensembles]
        self.pairs = pairs if depths is None else supported_only(depths, pairs, self.paths)
        self.batches = self._batches()
        self.tokens = sum(int(batch["ntokens"]) for batch in self.batches)

    def _load(self, path: str) -> List[Any]:
        models = load_models(self.cfg, utils.split_paths(path), self.task)
        for model in models:
            if hasattr(model, "encoder") or not hasattr(model, "decoder"):
                raise ValueError(f"--path {path}: holds a {type(model).__name__}; expected a language model")
        return models

    def _batches(self) -> List[Any]:
        """The batches of the split, as ``fairseq-eval-lm`` makes them, collated."""
        dataset = self.cfg.dataset
        self.task.load_dataset(dataset.gen_subset)
        models = [model for ensemble in self.ensembles for model in ensemble]
        return list(
            self.task.eval_lm_dataloader(
                dataset=self.task.dataset(dataset.gen_subset),
                max_tokens=dataset.max_tokens or EVAL_LM_TOKENS,
                batch_size=dataset.batch_size,
                max_positions=utils.resolve_max_positions(*[model.max_positions() for model in models]),
                num_workers=0,
                context_window=self.cfg.eval_lm.context_window,
            )
        )

    def rows(
        self, repeats: int, budget: Optional[float], progress: Callable[[], None]
    ) -> Tuple[List[LanguageModelRow], int]:
        """Score the text with every model at every depth, *repeats* times.

        Args:
            repeats: how often to score, for times.
            budget: the share of the baseline's time that ``--budget`` allows.
            progress: called after each scoring of the text.

        Returns:
            The rows, and the position of the baseline: the deepest depth of the first model.
        """
        places = [(number, pair) for number, pairs in enumerate(self.pairs) for pair in pairs]
        for number, models in enumerate(self.ensembles):  # the first batch of a process is slow at any depth
            self._score(models, self.pairs[number][-1], self.batches[:1])
        seconds: List[List[float]] = [[] for _ in places]
        losses = [0.0] * len(places)
        for _ in range(repeats):
            for position, (number, pair) in enumerate(places):
                losses[position], taken = self._score(self.ensembles[number], pair, self.batches)
                seconds[position].append(taken)
                progress()
        baseline = len(self.pairs[0]) - 1
        names = short_names(self.paths)
        whole = median(seconds[baseline])
        rows = [
            LanguageModelRow(
                path=self.paths[number],
                model=names[number],
                dec_layers=pair[1],
                perplexity=round(2**loss, 4),
                nll_loss=round(loss, 6),
                seconds=round(median(times), 4),
                relative_seconds=round(median(times) / whole, 4),
                tokens_per_second=round(self.tokens / median(times), 1),
                seconds_min=round(min(times), 4),
                seconds_max=round(max(times), 4),
                repeats=repeats,
                tokens=self.tokens,
            )
            for (number, pair), loss, times in zip(places, losses, seconds)
        ]
        return _marked(rows, baseline, budget), baseline

    def _score(self, models: List[Any], pair: DepthPair, batches: Sequence[Any]) -> Tuple[float, float]:
        """The loss of *batches*, in bits per token, and the seconds that it took."""
        set_depth(models, pair)
        start = seconds_now(uses_cuda(self.cfg))
        result = eval_lm(
            models,
            self.task.source_dictionary,
            batches,
            post_process=self.cfg.common_eval.post_process,
            target_dictionary=self.task.target_dictionary,
            softmax_batch=self.cfg.eval_lm.softmax_batch,
            remove_bos_token=self.cfg.task.add_bos_token,
        )
        return float(result["loss"]), seconds_now(uses_cuda(self.cfg)) - start


def _marked(rows: List[LanguageModelRow], baseline: int, budget: Optional[float]) -> List[LanguageModelRow]:
    """The *rows* with their marks: which are on the Pareto front, and which is the best within the budget."""
    quality, seconds = [-row.nll_loss for row in rows], [row.seconds for row in rows]
    front = pareto_front(quality, seconds)
    best = None if budget is None else best_within(quality, seconds, budget * seconds[baseline])
    return [
        replace(row, pareto=position in front, best_within_budget=None if budget is None else position == best)
        for position, row in enumerate(rows)
    ]
