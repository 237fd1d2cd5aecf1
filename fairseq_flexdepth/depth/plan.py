"""The depth plan: the fewest layer runs that serve a set of sub-networks.

A sub-network is a sequence of layer positions. The plan merges sub-networks into a prefix tree, where two of them share
a layer run exactly if all layers below it are the same. The sub-networks of [dabre2020] §3.1 are prefixes of each
other: their tree is a chain of N runs for N depths.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

INPUT = -1  # the parent of a node that runs on the stack's input


class LayerRun(NamedTuple):
    """One run of a layer on the output of another run."""

    position: int  # the layer, counted from 1
    parent: int  # index of the run whose output is the input, or INPUT


class DepthPlan(NamedTuple):
    """Layer runs, parents before children, and the last run of every sub-network."""

    runs: Tuple[LayerRun, ...]
    exits: Tuple[int, ...]  # per sub-network, the index of the run that returns its output

    @property
    def positions(self) -> List[int]:
        """The layer positions that the plan uses, ascending."""
        return sorted({run.position for run in self.runs})

    def path(self, run: int) -> List[int]:
        """Indices of the runs from the stack's input to *run*, both ends included."""
        path = []
        while run != INPUT:
            path.append(run)
            run = self.runs[run].parent
        return path[::-1]


def build_plan(subnetworks: Sequence[Sequence[int]]) -> DepthPlan:
    """Merge sub-networks into one plan.

    Args:
        subnetworks: the layer positions of each, from 1, in running order.

    Returns:
        The plan; its exits are in the order of *subnetworks*.

    Raises:
        ValueError: there is no sub-network, or a sub-network has no layer.
    """
    if not subnetworks or not all(len(subnetwork) for subnetwork in subnetworks):
        raise ValueError(f"sub-networks {list(subnetworks)}: expected at least one, each of at least one layer")
    runs: List[LayerRun] = []
    index: Dict[LayerRun, int] = {}
    exits = []
    for subnetwork in subnetworks:
        parent = INPUT
        for position in subnetwork:
            run = LayerRun(position, parent)
            if run not in index:
                index[run] = len(runs)
                runs.append(run)
            parent = index[run]
        exits.append(parent)
    return DepthPlan(tuple(runs), tuple(exits))
