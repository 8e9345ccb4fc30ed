from __future__ import annotations

import ast

from gradsan.source.mentions import Mentions, mentions_of


def mentions(text: str) -> Mentions:
    return mentions_of(ast.parse(text))


def test_names_are_as_long_as_they_stand_there() -> None:
    assert set(mentions("y = net.head.forward(x)[i]").names) == {"y", "net.head.forward", "x", "i"}


def test_texts_and_comments_mention_nothing() -> None:
    found = mentions("super().__init__('Attack')  # as Other does")
    assert set(found.names) == {"super"}


def test_what_super_is_told_is_neither_made_nor_called() -> None:
    assert set(mentions("super(Net, self).forward(x)").names) == {"super", "x"}


def test_what_stands_before_the_dot_of_no_name_is_looked_into() -> None:
    found = mentions("f(x).relu()")
    assert set(found.names) == {"f", "x"}
    assert found.members == {"relu"}
    assert found.calls == {"f", ".relu"}


def test_what_has_no_name_is_called_too() -> None:
    assert mentions("self.layers[0](x)").calls == {""}


def test_operators_and_items_call_special_methods() -> None:
    assert mentions("a[0] = b @ c").specials == {"__setitem__", "__matmul__", "__rmatmul__"}
    assert mentions("a[0] += 1").specials == {"__getitem__", "__setitem__", "__iadd__", "__add__", "__radd__"}
    assert not mentions("a + 1").specials & {"__getitem__", "__setitem__"}
