"""How often an update makes the host wait for the device, and how many kernels it starts, on a pretended GPU.

``python -m tests.campaigns.waits`` prints it for every criterion and models of 6 encoder and 6 decoder layers.
"""

from typing import Dict

from tests import device_cases
from tests.device_cases import Case
from tests.pretended_gpu import Watch, pretended_gpu, to_gpu

SIZES = {"encoder_layers": 6, "decoder_layers": 6}


def counts_of(case: Case, batches: int = 1) -> Watch:
    """The counts of a second update: the first one also copies tensors that stay on the device."""
    with pretended_gpu() as watch:
        case.move(to_gpu)
        case.update()
        watch.forget()
        case.update(batches)
    return watch


def outside_of_models(watch: Watch) -> int:
    """The number of waits outside the forward passes of fairseq's models."""
    return sum(count for (_, line), count in watch.waits.items() if not line.startswith("fairseq.m"))


def main() -> None:
    """Print a table, then the lines that wait."""
    counts: Dict[str, Watch] = {"label_smoothed_cross_entropy": counts_of(device_cases.stock(SIZES))}
    for name in device_cases.TRANSLATION:
        counts[name] = counts_of(device_cases.translation(name, SIZES))
    for name in device_cases.SELECTION:
        counts[name] = counts_of(device_cases.selection(name))
    print("| one update | waits | outside of fairseq's models | kernels |\n| :-- | --: | --: | --: |")
    for name, watch in counts.items():
        waits, kernels = sum(watch.waits.values()), sum(watch.kernels.values())
        print(f"| {name} | {waits} | {outside_of_models(watch)} | {kernels:,} |")
    for name, watch in counts.items():
        lines = ", ".join(f"{line} {count}" for (_, line), count in watch.waits.items())
        print(f"\n{name}: {lines}")


if __name__ == "__main__":
    main()
