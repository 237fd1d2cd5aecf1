"""Depth spaces: which depths an option asks for, which pair a decoding asks for, which pairs an update draws."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_flexdepth.depth.supported_depths import DepthSpace, parse_depths

LAW = settings(derandomize=True, deadline=None, database=None)

SPACE = DepthSpace((1, 2, 3, 6), (1, 3))
DEPTHS = st.sets(st.integers(1, 12), min_size=1, max_size=6).map(lambda depths: tuple(sorted(depths)))
SPACES = st.builds(DepthSpace, DEPTHS, DEPTHS)


@pytest.mark.parametrize(
    ("text", "layers", "depths"),
    [
        ("all", 1, (1,)),
        ("all", 4, (1, 2, 3, 4)),
        ("divisors", 1, (1,)),
        ("divisors", 6, (1, 2, 3, 6)),
        ("divisors", 7, (1, 7)),
        ("divisors", 12, (1, 2, 3, 4, 6, 12)),
        ("3", 6, (3,)),
        ("1,2,6", 6, (1, 2, 6)),
        ("6,1,2,1", 6, (1, 2, 6)),
        ("1, 2", 6, (1, 2)),
    ],
)
def test_an_option_names_depths_in_ascending_order(text, layers, depths):
    assert parse_depths(text, layers, "--encoder-depths") == depths


@pytest.mark.parametrize("text", ["", "some", "1,", "1;2", "1-3", "1.5", "ALL"])
def test_text_that_names_no_depths_is_refused(text):
    message = f"^--decoder-depths {text}: expected all, divisors or depths separated by commas such as 1,2,6$"
    with pytest.raises(ValueError, match=message):
        parse_depths(text, 6, "--decoder-depths")


@pytest.mark.parametrize("text", ["0", "0,1", "-1,2", "7", "1,2,7"])
def test_depths_that_the_stack_does_not_have_are_refused(text):
    message = f"^--encoder-depths {text}: depths must lie between 1 and 6, the number of layers$"
    with pytest.raises(ValueError, match=message):
        parse_depths(text, 6, "--encoder-depths")


@LAW
@given(DEPTHS, st.randoms(use_true_random=False))
def test_a_list_of_depths_may_come_in_any_order_and_repeat(depths, shuffler):
    listed = list(depths) + [depths[0]]
    shuffler.shuffle(listed)
    assert parse_depths(",".join(map(str, listed)), 12, "--encoder-depths") == depths


@LAW
@given(st.integers(1, 200))
def test_divisors_multiply_in_pairs(layers):
    divisors = parse_depths("divisors", layers, "--encoder-depths")
    assert [low * high for low, high in zip(divisors, reversed(divisors))] == [layers] * len(divisors)
    assert set(divisors) == set(parse_depths("all", layers, "--encoder-depths")) - {
        depth for depth in range(1, layers + 1) if layers % depth
    }


def test_pairs_change_the_decoder_depth_fastest():
    assert SPACE.pairs == [(1, 1), (1, 3), (2, 1), (2, 3), (3, 1), (3, 3), (6, 1), (6, 3)]
    assert SPACE.deepest == (6, 3)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [((None, None), (6, 3)), ((2, None), (2, 3)), ((None, 1), (6, 1)), ((3, 1), (3, 1))],
)
def test_a_depth_left_out_is_the_deepest(asked, chosen):
    assert SPACE.choose(*asked) == chosen


@pytest.mark.parametrize("depth", [0, -1, 4, 7])
def test_an_encoder_depth_outside_the_space_is_refused(depth):
    with pytest.raises(ValueError, match=f"^--enc-layers {depth}: this model supports 1,2,3,6$"):
        SPACE.choose(depth, None)


@pytest.mark.parametrize("depth", [0, -2, 2, 4])
def test_a_decoder_depth_outside_the_space_is_refused(depth):
    with pytest.raises(ValueError, match=f"^--dec-layers {depth}: this model supports 1,3$"):
        SPACE.choose(None, depth)


@LAW
@given(SPACES, st.data(), st.integers(0, 2**31), st.integers(0, 10**6))
def test_a_sample_is_a_sub_space_of_the_size_asked_for(space, data, seed, update):
    counts = [data.draw(st.integers(0, len(depths))) for depths in space]
    drawn = space.sample(*counts, seed, update)
    for depths, of, count in zip(drawn, space, counts):
        assert len(depths) == (count or len(of))
        assert set(depths) <= set(of)
        assert list(depths) == sorted(depths)


@LAW
@given(SPACES, st.data(), st.integers(0, 10**6))
def test_the_sandwich_rule_keeps_the_shallowest_and_the_deepest(space, data, update):
    counts = [data.draw(st.sampled_from([0, *range(min(2, len(depths)), len(depths) + 1)])) for depths in space]
    drawn = space.sample(*counts, 1, update, sandwich=True)
    for depths, of, count in zip(drawn, space, counts):
        assert (depths[0], depths[-1]) == (of[0], of[-1])
        assert list(depths) == sorted(set(depths) & set(of))
        assert len(depths) == (count or len(of))


def test_the_sandwich_rule_draws_the_depths_between_evenly():
    drawn = [SPACE.sample(3, 0, 1, update, sandwich=True).encoder[1] for update in range(2000)]
    assert [drawn.count(depth) / 2000 for depth in SPACE.encoder[1:-1]] == pytest.approx([1 / 2] * 2, abs=0.05)


def _draws(seed, updates):
    return [SPACE.sample(2, 1, seed, update) for update in updates]


def test_a_sample_depends_on_the_seed_and_the_update_alone():
    first = _draws(1, range(20))
    random.seed(5)
    torch.manual_seed(5)
    assert _draws(1, range(20)) == first
    assert _draws(1, range(10, 20)) == first[10:]  # a resumed run repeats its draws
    assert _draws(2, range(20)) != first


def test_sampling_draws_from_no_global_generator():
    before = random.getstate(), torch.get_rng_state()
    _draws(1, range(5))
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_samples_cover_all_pairs_about_evenly():
    drawn = [pair for space in _draws(1, range(4000)) for pair in space.pairs]
    shares = [drawn.count(pair) / len(drawn) for pair in SPACE.pairs]
    assert shares == pytest.approx([1 / 8] * 8, abs=0.02)


@pytest.mark.parametrize("count", [-1, 5])
def test_more_encoder_depths_than_there_are_cannot_be_drawn(count):
    message = rf"^--sample-encoder-depths {count}: expected 0 \(all\) to 4, the number of depths in the space$"
    with pytest.raises(ValueError, match=message):
        SPACE.sample(count, 0, 1, 1)


@pytest.mark.parametrize("count", [-1, 3])
def test_more_decoder_depths_than_there_are_cannot_be_drawn(count):
    message = rf"^--sample-decoder-depths {count}: expected 0 \(all\) to 2, the number of depths in the space$"
    with pytest.raises(ValueError, match=message):
        SPACE.sample(0, count, 1, 1)


@pytest.mark.parametrize(("layers", "warned"), [(1, False), (2, False), (3, True), (4, False), (7, True), (12, False)])
def test_a_prime_number_of_layers_gets_a_warning(layers, warned, caplog):
    parse_depths("divisors", layers, "--encoder-depths")
    message = f"--encoder-depths divisors: {layers} is a prime number, so the only depths are 1,{layers}"
    assert [record.message for record in caplog.records] == ([message] if warned else [])
