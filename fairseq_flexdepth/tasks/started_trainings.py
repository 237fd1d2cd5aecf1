"""Check the checkpoint that a training starts from, ``--finetune-from-model`` or ``--restore-file``.

fairseq does not compare the options of the checkpoint's model. Where weights do not fit, its last word is "Cannot load
model parameters from checkpoint", without the reason.
"""

from functools import wraps
from typing import Any, Dict

from fairseq.trainer import Trainer

from fairseq_flexdepth.files.checkpoints import also_checked
from fairseq_flexdepth.models.checkpoint_fit import FitsCheckpoint
from fairseq_flexdepth.models.pretrained_options import check_same_function


def check_started_trainings() -> None:
    """Let fairseq's ``Trainer`` say why a model of this package cannot start from a checkpoint. Safe to repeat."""
    stock = Trainer.load_checkpoint
    if hasattr(stock, "__wrapped__"):
        return

    @wraps(stock)
    def load_checkpoint(self: Trainer, *args: Any, **kwargs: Any) -> Any:
        model = self.get_model()
        if not isinstance(model, FitsCheckpoint):
            return stock(self, *args, **kwargs)

        def check(state: Dict[str, Any]) -> None:
            check_same_function(model.cfg, state["cfg"]["model"])

        try:
            with also_checked(check):
                return stock(self, *args, **kwargs)
        except Exception as error:
            reason = error.__context__
            if type(error) is Exception and isinstance(reason, ValueError):  # fairseq has replaced the reason
                raise reason from None
            raise

    setattr(Trainer, "load_checkpoint", load_checkpoint)  # noqa: B010  (mypy takes no assignment to a method)
