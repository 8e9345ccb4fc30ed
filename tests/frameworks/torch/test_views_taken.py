from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gradsan.frameworks.torch.views_taken import ViewsTaken  # noqa: E402


def is_taken(use: Callable[[ViewsTaken, torch.nn.Parameter], object]) -> bool:
    """Whether a parameter is taken for a value by a function, which announces the writes that would be refused."""
    views = ViewsTaken()
    views.start()
    try:
        use(views, torch.nn.Parameter(torch.ones(4, 3)))
    finally:
        taken = views.stop()
    return taken or views.writes_output


def write(views: ViewsTaken, tensor: torch.Tensor) -> torch.Tensor:
    views.note_refused(tensor)
    return tensor.data.mul_(2.0)


def test_a_view_that_is_only_written_is_not_taken() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> None:
        for n in range(4):
            write(views, weight[n])
        torch.nn.functional.linear(torch.ones(1, 3), weight)

    assert not is_taken(use)


def test_a_view_that_is_read_after_its_write_is_taken() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> torch.Tensor:
        row = weight[0]
        write(views, row)
        return row + 1

    assert is_taken(use)


def test_another_view_of_the_same_memory_may_be_the_one_that_is_read() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> torch.Tensor:
        whole = weight.view(2, 6)
        for row in range(2):
            write(views, whole[row])
        return torch.stack([whole[0], whole[1]])

    assert is_taken(use)


def test_what_is_read_for_the_next_write_is_not_taken() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> None:
        row = weight[0]
        write(views, row)
        scale = row.norm()
        views.note_refused(row)
        row.data.div_(scale)

    assert not is_taken(use)


def test_a_part_that_was_not_written_may_be_read() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> torch.Tensor:
        first, last = weight[0], weight[3]
        write(views, first)
        return last + 1

    assert not is_taken(use)


def test_a_view_that_is_put_back_is_not_taken() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> None:
        column = weight[:, 1]
        write(views, column)
        weight.data[:, 1] = column

    assert not is_taken(use)


def test_shapes_are_no_values() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> object:
        row = weight[0]
        write(views, row)
        return row.shape, row.dim(), row._base, row.grad_fn

    assert not is_taken(use)


class Table(torch.nn.Module):
    def __init__(self, weight: torch.nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> torch.Tensor:
        return self.weight


@pytest.mark.parametrize("is_part", [True, False])
def test_what_a_module_returned_is_taken(is_part: bool) -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> None:
        prompt = Table(weight)()
        write(views, prompt[0] if is_part else prompt)

    assert is_taken(use)


def test_what_a_module_computes_with_is_not_taken() -> None:
    def use(views: ViewsTaken, weight: torch.nn.Parameter) -> None:
        layer = torch.nn.Linear(3, 4)
        layer(weight)
        write(views, layer.weight[0])

    assert not is_taken(use)
