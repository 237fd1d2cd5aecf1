"""``--depth-weights``: a weight for every pair, normalised over the pairs in use."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.depth.weights import pair_weights, parse_depth_weights

SPACE = DepthSpace((1, 3), (1, 2, 4))
SHAPE = "2 rows separated by ';' (encoder depths 1,3) of 3 weights separated by ',' (decoder depths 1,2,4)"


def test_without_weights_all_pairs_weigh_alike():
    assert pair_weights(None, SPACE, SPACE) == {pair: 1 / 6 for pair in SPACE.pairs}
    drawn = DepthSpace((3,), (1, 4))
    assert pair_weights(None, SPACE, drawn) == {(3, 1): 0.5, (3, 4): 0.5}


def test_rows_are_encoder_depths_and_columns_decoder_depths():
    weights = parse_depth_weights("1,2,3;4, 5e0,0.6", SPACE)
    assert weights == {(1, 1): 1, (1, 2): 2, (1, 4): 3, (3, 1): 4, (3, 2): 5, (3, 4): 0.6}


def test_weights_are_normalised_over_the_pairs_drawn():
    text = "1,2,3;4,5,6"
    assert pair_weights(text, SPACE, SPACE)[3, 4] == pytest.approx(6 / 21)
    assert pair_weights(text, SPACE, DepthSpace((1,), (2, 4))) == pytest.approx({(1, 2): 0.4, (1, 4): 0.6})


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=6, max_size=6).filter(any),
    st.floats(1e-3, 1e3),
)
def test_weights_sum_to_1_whatever_their_scale(cells, scale):
    def weigh(factor):
        cell = [repr(value * factor) for value in cells]
        return pair_weights(f"{','.join(cell[:3])};{','.join(cell[3:])}", SPACE, SPACE)

    assert sum(weigh(1).values()) == pytest.approx(1)
    assert weigh(scale) == pytest.approx(weigh(1))


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3;4,5", "1,2;3,4;5,6", "1,2,3;4,5,6;7,8,9"])
def test_another_shape_is_refused(text):
    with pytest.raises(ValueError, match=f"^--depth-weights {text}: expected {re.escape(SHAPE)}$"):
        pair_weights(text, SPACE, SPACE)


@pytest.mark.parametrize("text", ["", "1,2,x;4,5,6", "1,2,3;4,5,6;", "1 2 3;4 5 6"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match=f"^--depth-weights {text}: expected numbers, in {re.escape(SHAPE)}$"):
        pair_weights(text, SPACE, SPACE)


@pytest.mark.parametrize("text", ["1,2,3;4,5,-6", "1,2,3;4,5,nan", "1,2,3;4,5,inf"])
def test_a_negative_or_infinite_weight_is_refused(text):
    with pytest.raises(ValueError, match=f"^--depth-weights {text}: expected finite weights of at least 0$"):
        pair_weights(text, SPACE, SPACE)


def test_weights_that_are_all_zero_are_refused():
    message = "^--depth-weights 0,0,0;0,0,0: at least one weight must be above 0$"
    with pytest.raises(ValueError, match=message):
        pair_weights("0,0,0;0,0,0", SPACE, SPACE)
