"""The effect of a call: cases, unions, conditions on gradients."""

from gradsan import knowledge
from gradsan.knowledge import UNKNOWN, Case, Operation, Parameter, TensorFacts

DROPOUT = Operation(
    name="nn.functional.dropout",
    parameters=(
        Parameter("input", tensor=True),
        Parameter("p", 0.5, required=False),
        Parameter("training", True, required=False),
        Parameter("inplace", False, required=False),
    ),
    cases=(
        Case(when={"training": {"is": [False]}}, aliases=("input",), may_return_input=True),
        Case(when={"inplace": {"is": [True]}}, writes=("input",), aliases=("input",)),
        Case(),
    ),
)

MUL = Operation(
    name="mul",
    parameters=(Parameter("self", tensor=True), Parameter("other", tensor=True)),
    cases=(Case(saves={"self": ("other",), "other": ("self",)}),),
)


def test_defaults_decide():
    effect = DROPOUT.effect()
    assert effect.certain
    assert not effect.writes
    assert not effect.may_return_input


def test_a_literal_decides():
    assert DROPOUT.effect({"inplace": True}).surely_writes("input")
    assert DROPOUT.effect({"training": False, "inplace": True}).may_return_input


def test_an_unknown_value_leaves_the_union():
    effect = DROPOUT.effect({"inplace": UNKNOWN})
    assert effect.writes == ("input",)
    assert not effect.certain
    assert not effect.surely_writes("input")


def test_an_operand_is_saved_when_the_other_requires_a_gradient():
    effect = MUL.effect()
    assert effect.saves_inputs == ("self", "other")
    assert effect.saves_when == {"self": ("other",), "other": ("self",)}
    assert effect.certain


def test_a_number_or_a_constant_saves_less():
    assert MUL.effect({"other": 2.0}).saves_inputs == ()
    constant = {"self": TensorFacts(requires_grad=True), "other": TensorFacts(requires_grad=False)}
    effect = MUL.effect(constant)
    assert effect.saves_inputs == ("other",)
    assert effect.saves_when == {}


def test_the_name_input_reaches_self():
    assert MUL.effect({"input": 3.0}).saves_inputs == ()


def test_results_are_told_by_index():
    several = Operation(name="max", n_results=2, cases=(Case(saves={"result1": ()}),))
    effect = several.effect()
    assert effect.saves_result == (1,)
    assert effect.surely_saves("result1")
    assert not effect.surely_saves("result0")


GIVEN = (None, True, False, 0, 0.0, 2, "none", "nuc", TensorFacts(), TensorFacts(requires_grad=False), UNKNOWN)


def test_no_other_argument_decides_than_those_that_are_said_to():
    for operation in knowledge.load().operations():
        names = [*(parameter.name for parameter in operation.parameters), *operation.inputs, "input"]
        for shift in range(len(GIVEN)):
            given = {name: GIVEN[(at * 3 + shift) % len(GIVEN)] for at, name in enumerate(names)}
            decisive = {name: value for name, value in given.items() if name in operation.decisive}
            assert operation.effect(given) == operation.effect(decisive), operation.name
