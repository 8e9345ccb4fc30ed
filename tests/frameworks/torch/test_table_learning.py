"""Cases are learned from what calls did; only what a reader can see may tell them apart."""

from gradsan.frameworks.torch.table.learn import Behaviour, learn_cases
from gradsan.knowledge import TensorFacts

TENSOR = TensorFacts(requires_grad=True, ndim=2, dtype="float64", contiguous=True)


def seen(saves=(), writes=(), aliases=(), *, is_input=False, not_read=(), needs=None, **given):
    operands = frozenset({"input", "result"} | {n for n, v in given.items() if isinstance(v, TensorFacts)})
    differentiable = operands - {"result"}
    return Behaviour(
        given={"input": TENSOR, **given},
        present=operands,
        differentiable=differentiable,
        saves={operand: frozenset((needs or {}).get(operand, differentiable)) for operand in saves},
        writes=frozenset(writes),
        aliases=frozenset(aliases),
        views="none",
        is_input=is_input,
        n_results=1,
        not_read=frozenset(not_read),
    )


def test_one_behaviour_is_one_case():
    assert learn_cases([seen(["result"]), seen(["result"])]) == [{"saves": {"result": []}}]


def test_a_switch_makes_two_cases():
    cases = learn_cases(
        [seen(["result"], inplace=False), seen(["result"], writes=["input"], aliases=["input"], inplace=True)]
    )
    assert cases == [
        {"when": {"inplace": {"is": [False]}}, "saves": {"result": []}},
        {"when": {"inplace": {"is": [True]}}, "saves": {"result": []}, "writes": ["input"], "aliases": ["input"]},
    ]


def test_two_switches_are_found_together():
    calls = [
        seen(aliases=["input"] if inplace or not training else [], writes=["input"] if inplace and training else [],
             is_input=not training, inplace=inplace, training=training)
        for inplace in (False, True)
        for training in (False, True)
    ]  # fmt: skip
    assert not any("maybe" in case for case in learn_cases(calls))


def test_what_nothing_tells_apart_is_a_maybe():
    (case,) = learn_cases([seen(["input"]), seen()])
    assert case == {"saves": {"input": []}, "maybe": ["input"]}


def test_one_odd_number_of_dimensions_tells_nothing():
    odd = TensorFacts(requires_grad=True, ndim=5, dtype="float64", contiguous=True)
    (case,) = learn_cases([seen(["input"]), seen(["input"]), seen(input=odd)])
    assert case["maybe"] == ["input"]


def test_a_condition_on_gradients_is_learned():
    (case,) = learn_cases([seen(["input"], needs={"input": {"other"}}, other=TENSOR)])
    assert case == {"saves": {"input": ["other"]}}


def test_saved_but_not_read():
    (case,) = learn_cases([seen(["input"], not_read=["input"])])
    assert case["saved_not_read"] == ["input"]
