"""The gridworld: gymnasium's own checks, its map, and the table against what really happens."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from anatomy.envs.gridworld import CLIFF, HOUSE, Gridworld, Layout

UP, RIGHT, DOWN, LEFT = range(4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", [{}, {"layout": "cliff", "slip": 0.0}])
def test_gymnasiums_own_check(options):
    check_env(gymnasium.make("anatomy/Gridworld-v0", render_mode="ansi", **options).unwrapped)


def test_the_registered_environment_is_truncated_by_gymnasiums_clock():
    env = gymnasium.make("anatomy/Gridworld-v0", slip=0.0)
    env.reset(seed=0)
    for step in range(200):
        _, reward, terminated, truncated, _ = env.step(DOWN)
        assert (reward, terminated, truncated) == (0.0, False, step == 199)


def test_walls_edges_and_ends_without_slipping():
    world = Gridworld(Layout(("S#", ".G"), pays={"G": 5.0}, step_reward=-1.0), slip=0.0)
    assert world.places == [(0, 0), (1, 0), (1, 1)]
    assert world.outcomes(0, UP) == [(1.0, 0, -1.0)]  # the edge
    assert world.outcomes(0, RIGHT) == [(1.0, 0, -1.0)]  # the wall
    assert world.outcomes(0, DOWN) == [(1.0, 1, -1.0)]
    assert world.outcomes(1, RIGHT) == [(1.0, 2, 5.0)]
    assert world.outcomes(2, LEFT) == [(1.0, 2, 0.0)]  # the end
    assert world.mdp.terminal.tolist() == [False, False, True]
    assert world.mdp.states[2] == "row 1, column 1"


def test_a_slip_goes_to_either_side_by_half():
    world = Gridworld(Layout(("...", ".S.", "...")), slip=0.2)
    middle = world.number[1, 1]
    row = world.mdp.transition[middle, UP]
    assert row[world.number[0, 1]] == pytest.approx(0.8)
    assert row[world.number[1, 0]] == row[world.number[1, 2]] == pytest.approx(0.1)
    assert row[world.number[2, 1]] == 0  # never backwards


def test_the_cliff_costs_a_hundred_and_leads_back():
    world = Gridworld("cliff", slip=0.0)
    assert len(world.places) == 3 * 12 + 2
    assert world.outcomes(world.first, RIGHT) == [(1.0, world.first, -100.0)]
    above = world.number[2, 5]
    assert world.outcomes(above, DOWN) == [(1.0, world.first, -100.0)]
    assert world.outcomes(world.number[2, 11], DOWN) == [(1.0, world.number[3, 11], -1.0)]


def test_the_table_is_what_happens():
    """Frequencies and mean rewards of many real steps from one place, within four errors."""
    world = Gridworld("house", slip=0.3)
    state = world.number[1, 4]  # beside the hole
    world.reset(seed=3)
    following, paid = [], []
    for _ in range(6_000):
        world.state = state
        landed, reward, terminated, truncated, _ = world.step(UP)
        assert terminated == (landed == world.number[1, 5])
        assert not truncated
        following.append(landed)
        paid.append(reward)
    shares = np.bincount(following, minlength=world.mdp.state_count) / len(following)
    assert np.abs(shares - world.mdp.transition[state, UP]).max() < 4 * np.sqrt(0.25 / 6_000)
    assert world.mdp.reward[state, UP] == pytest.approx(-0.15)
    assert np.mean(paid) == pytest.approx(-0.15, abs=4 * np.std(paid) / np.sqrt(6_000))


def test_an_episode_may_begin_elsewhere():
    world = Gridworld()
    assert world.reset(options={"start": 5})[0] == 5
    assert world.reset()[0] == world.first
    with pytest.raises(ValueError, match="there is no state 99; there are 20"):
        world.reset(options={"start": 99})


def test_the_map_is_drawn_with_the_agent():
    env = Gridworld("house", render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "g.#..G\n..#..H\n@.....\n.#..#."
    assert Gridworld("house").render() is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gridworld("castle"), "no map 'castle'; there are: house, cliff"),
        (lambda: Gridworld(slip=1.5), "slip is a probability, got 1.5"),
        (lambda: Layout(("S.", ".")), "equally long"),
        (lambda: Layout(()), "equally long"),
        (lambda: Layout(("S?",)), r"unknown signs on the map: \?"),
        (lambda: Layout(("SS",)), "one start S, and has 2"),
    ],
)
def test_a_wrong_world_is_refused_in_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_layouts_are_what_the_chapter_says():
    assert HOUSE.pays == {"G": 1.0, "g": 0.3, "H": -1.0}
    assert CLIFF.pays == {"C": -100.0}
    assert CLIFF.step_reward == -1.0
