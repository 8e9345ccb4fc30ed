from __future__ import annotations

from gradsan.model.span import Span
from gradsan.source.expressions import function_of
from gradsan.source.rewrites import write_moved


def span_of(program, text: str) -> Span:
    lines = program.text.split("\n")
    line = next(number for number, there in enumerate(lines, 1) if text in there)
    column = lines[line - 1].index(text) + 1
    return Span(str(program.path), line, column, line, column + len(text), function_of(str(program.path), line))


def moved(program, write: str, backward: str) -> list[str]:
    return [program.applied(fix) for fix in write_moved.propose(span_of(program, write), span_of(program, backward))]


def test_behind_the_backward(place) -> None:
    program = place("def f(a, b):\n    «x»\n    opt.step()  # first\n    y = 1\n    loss.backward()\n    return y\n")
    assert moved(program, "opt.step()", "loss.backward()") == [
        "def f(a, b):\n    x\n    y = 1\n    loss.backward()\n    opt.step()  # first\n    return y\n"
    ]


def test_with_the_condition_or_the_loop_around_it(place) -> None:
    program = place(
        "«x»\nif x:\n    opt.step()\nloss.backward()\nfor p in ps:\n    p.clamp_(0)\nlast.backward()\nz = 1\n"
    )
    assert moved(program, "opt.step()", "loss.backward()") == [
        "x\nloss.backward()\nif x:\n    opt.step()\nfor p in ps:\n    p.clamp_(0)\nlast.backward()\nz = 1\n"
    ]
    assert moved(program, "p.clamp_(0)", "last.backward()") == [
        "x\nif x:\n    opt.step()\nloss.backward()\nlast.backward()\nfor p in ps:\n    p.clamp_(0)\nz = 1\n"
    ]


def test_never_to_the_front(place) -> None:
    program = place("«x»\nloss.backward()\nold.step()\nz = 1\n")
    assert moved(program, "old.step()", "loss.backward()") == []


def test_where_a_function_is_called_that_writes_or_runs_the_backward(place) -> None:
    program = place("""
        class Model:
            def update_average(self):
                self.average.mul_(0.9)

            def backward_g(self):
                self.loss.backward()

            def optimize(self):
                «self.forward()»
                self.update_average()
                self.opt.zero_grad()
                self.backward_g()
                self.opt.step()
        """)
    (after,) = moved(program, "self.average.mul_(0.9)", "self.loss.backward()")
    assert after.endswith("""
        self.opt.zero_grad()
        self.backward_g()
        self.update_average()
        self.opt.step()
""")


def test_one_call_that_does_both_is_left_alone(place) -> None:
    program = place(
        "def step(x):\n    x.mul_(2)\n    x.sum().backward()\n\n\ndef main(x):\n    «step(x)»\n    step(x)\n    y = 1\n"
    )
    (after,) = moved(program, "x.mul_(2)", "x.sum().backward()")
    assert after.startswith(
        "def step(x):\n    x.sum().backward()\n    x.mul_(2)\n\n\ndef main(x):\n    step(x)\n    step(x)\n"
    )


def test_what_reads_gradients_stays_before_those_of_another_backward(place) -> None:
    step = "for p in ps:\n    p.data.sub_(p.grad)\n"
    program = place(f"«x»\n{step}other.backward()\nz = 1\n")
    assert moved(program, "p.data.sub_(p.grad)", "other.backward()") == []
    program = place(f"«x»\n{step}other.backward(inputs=ws)\nz = 1\n")
    assert moved(program, "p.data.sub_(p.grad)", "other.backward") == [f"x\nother.backward(inputs=ws)\n{step}z = 1\n"]
    program = place("""
        def descend(ps):
            for p, m in zip(ps, moments):
                m.add_(p.grad)
                p.data.sub_(m)

        «descend(ps)»
        other.backward()
        z = 1
        """)
    assert moved(program, "p.data.sub_(m)", "other.backward()") == []


def test_an_average_stays_before_a_step(place) -> None:
    program = place("«x»\naverage.lerp_(w, 0.1)\nopt.step()\nother.backward()\nz = 1\n")
    assert moved(program, "average.lerp_(w, 0.1)", "other.backward()") == []


def test_in_a_method_that_is_called_as_the_optimizer_is(place) -> None:
    program = place(
        "class T:\n    def step(self):\n        self.d.step()\n        «x»\n        g.backward()\n        y\n"
    )
    assert moved(program, "self.d.step()", "g.backward()") == [
        "class T:\n    def step(self):\n        x\n        g.backward()\n        self.d.step()\n        y\n"
    ]


def test_behind_the_last_line(place) -> None:
    program = place("«x»\nopt.step()\nloss.backward()")
    assert moved(program, "opt.step()", "loss.backward()") == ["x\nloss.backward()\nopt.step()"]


def test_no_loop_that_makes_the_loss(place) -> None:
    appended = "«x»\nlosses = []\nfor x in data:\n    losses.append(f(x))\n    opt.step()\nloss = sum(losses)\nloss.backward()\n"
    assigned = "«x»\nfor x in data:\n    loss = f(x)\n    opt.step()\nloss.backward()\n"
    for text in (appended, assigned):
        assert moved(place(text), "opt.step()", "loss.backward()") == []
