import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from textune.seeds import derive, generator

WORDS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\x1e\x1f01:")), max_size=8)
NAMES = st.lists(st.one_of(WORDS, st.integers(0, 99)), max_size=4)


@given(st.integers(0, 2**32), NAMES)
def test_a_seed_depends_on_the_study_seed_and_every_name(seed, names):
    derived = derive(seed, *names)
    assert 0 <= derived < 2**63
    assert derived == derive(seed, *names)
    assert derived != derive(seed + 1, *names)
    assert derived != derive(seed, *names, "more")


@given(NAMES, NAMES)
def test_different_names_are_different_streams(one, other):
    same = [(type(name), name) for name in one] == [(type(name), name) for name in other]
    assert (derive(7, *one) == derive(7, *other)) == same


def test_the_separator_inside_a_name_makes_no_other_name():
    assert derive(7, "a\x1fstr:b") != derive(7, "a", "b")
    assert derive(7, "a\x1e1b") != derive(7, "a\x1fb")


def test_text_and_number_of_the_same_digits_differ():
    assert derive(7, "3") != derive(7, 3)


def test_a_seed_is_the_same_in_every_process_and_version():
    assert derive(42, "trial", "order", 3) == 3213551603427486187
    code = "from textune.seeds import derive; print(derive(42, 'trial', 'order', 3))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(told) == derive(42, "trial", "order", 3)


def test_a_generator_draws_the_numbers_of_its_stream():
    assert generator(1, "a").random() == generator(1, "a").random() != generator(1, "b").random()
