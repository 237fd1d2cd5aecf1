"""The depth plan: the fewest layer runs that serve a set of sub-networks.

A sub-network is a sequence of layer positions. Merged into a prefix tree, two sub-networks share a layer's run
exactly where everything below it is the same. For tied-multi's prefixes the tree is a chain: N runs for N depths.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

INPUT = -1  # the parent of a node that runs on the stack's input


class LayerRun(NamedTuple):
    """One run of a layer on another run's output."""

    position: int  # the layer, counted from 1
    parent: int  # index of the run whose output it takes, or INPUT


class DepthPlan(NamedTuple):
    """Layer runs, parents before children, and for every sub-network the run that yields its output."""

    runs: Tuple[LayerRun, ...]
    exits: Tuple[int, ...]

    @property
    def positions(self) -> List[int]:
        """The layer positions that the plan uses, ascending."""
        return sorted({run.position for run in self.runs})

    def path(self, run: int) -> List[int]:
        """The runs that lead to *run*, which comes last."""
        path = []
        while run != INPUT:
            path.append(run)
            run = self.runs[run].parent
        return path[::-1]


def build_plan(subnetworks: Sequence[Sequence[int]]) -> DepthPlan:
    """Merge sub-networks, each a sequence of layer positions in running order, into one plan.

    Raises:
        ValueError: there is no sub-network, or one has no layer.
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
