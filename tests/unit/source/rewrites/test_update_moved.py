from __future__ import annotations

import textwrap

from gradsan.model.span import Span
from gradsan.source.rewrites import update_moved


def moved(program, step: str, backward: str) -> list[str]:
    spans = []
    for text in (step, backward):
        line = next(number for number, there in enumerate(program.text.split("\n"), 1) if text in there)
        spans.append(Span(str(program.path), line, 1, line, 2))
    return [program.applied(fix) for fix in update_moved.propose(*spans)]


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_behind_the_step_that_follows_or_the_backward_itself(place) -> None:
    program = place("""
        def train(critic, actor):
            «a = loss(actor)»
            # the critic
            critic.zero_grad()
            c.backward()
            clip(critic)
            critic.step()

            actor.zero_grad()
            a.backward()
            actor.step()
            return a
        """)
    assert moved(program, "critic.step()", "a.backward()") == [
        dedented("""
        def train(critic, actor):
            a = loss(actor)
            actor.zero_grad()
            a.backward()
            actor.step()

            # the critic
            critic.zero_grad()
            c.backward()
            clip(critic)
            critic.step()
            return a
        """),
        dedented("""
        def train(critic, actor):
            a = loss(actor)

            actor.zero_grad()
            a.backward()
            # the critic
            critic.zero_grad()
            c.backward()
            clip(critic)
            critic.step()
            actor.step()
            return a
        """),
    ]


def test_only_a_whole_update_that_does_nothing_else(place) -> None:
    for update in ("c.backward()\nc.step()", "c.zero_grad()\nx = c.backward()\nc.step()", "c.zero_grad()\nc.step()"):
        program = place(f"{update}\n«a.zero_grad()»\na.backward()\na.step()\nx = 1\n")
        assert moved(program, "c.step()", "a.backward()") == []


def test_never_past_what_may_read_the_weights(place) -> None:
    update = "c.zero_grad()\nc.backward()\nc.step()\n"
    for between in ("print(c)", "follow(c)", "y = c(x)", "if x:\n    c.eval()"):
        program = place(f"{update}{between}\n«a.zero_grad()»\na.backward()\na.step()\nx = 1\n")
        assert moved(program, "c.step()", "a.backward()") == []
    program = place(f"{update}«a.zero_grad()»\na.backward()\nfollow(c)\na.step()\nx = 1\n")
    assert moved(program, "c.step()", "a.backward()") == [
        f"a.zero_grad()\na.backward()\n{update}follow(c)\na.step()\nx = 1\n"
    ]


def test_never_to_the_front(place) -> None:
    program = place("«a.backward()»\nc.zero_grad()\nc.backward()\nc.step()\nx = 1\n")
    assert moved(program, "c.step()", "a.backward()") == []
