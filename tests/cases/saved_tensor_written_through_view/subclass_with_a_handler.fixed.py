# framework: torch
# outcome: raises
import torch


class Image(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


torch.manual_seed(0)
convolution = torch.nn.Conv2d(1, 2, 3)
image = torch.rand(1, 1, 5, 5).as_subclass(Image)
features = torch.sigmoid(convolution(image))
features = features.mul(2)
features.sum().backward()
