"""What `gradsan ops` says of an operation, from made-up rows."""

from gradsan.knowledge.rows import decode_operation
from gradsan.tasks.operation_page import case_lines, says_saves, verdicts


def operation(text):
    return decode_operation('{"name":"made_up","differentiable":true,' + text + "}")


def test_the_first_argument_is_called_as_programs_call_it():
    row = '"parameters":["self:T"],"cases":[{"saves":{"self":[]}}]'
    assert "Do not modify `input` in place before backward: it is saved." in verdicts(operation(row))
    assert "Do not modify `self` in place before backward: it is saved." in verdicts(
        operation('"kind":"method",' + row)
    )


def test_what_an_operation_overwrites_and_returns_is_told_once():
    lines = verdicts(operation('"parameters":["self:T"],"cases":[{"writes":["self"],"aliases":["self"]}]'))
    assert lines == [
        "It writes `input` in place and returns it.",
        "You may modify `input` again afterwards: backward needs neither what it was nor what it is now.",
    ]


def test_an_overwritten_argument_that_is_the_saved_result():
    lines = verdicts(
        operation('"parameters":["self:T"],"cases":[{"saves":{"result":[]},"writes":["self"],"aliases":["self"]}]')
    )
    assert lines[1] == "Do not modify `input` again before backward: what it is now, the result, is saved."


def test_a_tensor_that_may_be_left_out_is_saved_when_given():
    row = '"parameters":["input:T","weight:T=null"],"cases":[{"saves":{"input":[],"weight":[]}}]'
    assert verdicts(operation(row))[0] == "Do not modify `input` and `weight` in place before backward: they are saved."


def test_the_parts_of_a_multiple_view_are_refused_a_write():
    row = '"parameters":["self:T"],"n_results":2,"cases":[{"aliases":["self"],"views":"multiple"}]'
    assert any(line.startswith("Do not modify a result in place") for line in verdicts(operation(row)))
    assert "You may modify the results in place: none is saved." in verdicts(
        operation(row.replace("multiple", "several"))
    )


def test_what_is_not_differentiable_says_what_it_shares():
    made = decode_operation('{"name":"bare","kind":"method","parameters":["self:T"],"cases":[{"aliases":["self"]}]}')
    assert verdicts(made) == [
        "It is not differentiable, and saves nothing.",
        "The result shares the memory of `self`: a write to one is a write to the other.",
    ]


def test_a_note_is_the_last_word():
    assert verdicts(operation('"parameters":["self:T"],"note":"Mind the gap."'))[-1] == "Mind the gap."


def test_cases_are_told_by_what_a_reader_sees():
    row = (
        '"parameters":["self:T","p=0.5"],"cases":[{"when":{"self":{"dtype":["float32"],"ndim":[2]},"p":{"is":[0.0]}},'
        '"aliases":["self"],"may_return_input":true},{"saves":{"self":[],"result":[]},"maybe":["result"]}]'
    )
    assert case_lines(operation(row)) == [
        "`input` is of type float32 and is 2-dimensional and `p` is `0.0`: saves nothing; may return its input",
        "otherwise: saves `input`; may save its result",
    ]


def test_many_names_are_counted():
    saves = ",".join(f'"w{i}":[]' for i in range(9))
    assert says_saves(operation('"cases":[{"saves":{' + saves + "}}]")) == "saves `w0`, `w1`, `w2` and 6 more"
