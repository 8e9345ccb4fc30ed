# framework: torch
# outcome: raises
#~ missed-by: static (a subclass makes each result a view)
import torch


class Image(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


torch.manual_seed(0)
convolution = torch.nn.Conv2d(1, 2, 3)
image = torch.rand(1, 1, 5, 5).as_subclass(Image)
features = torch.sigmoid(convolution(image))  #~ label: `sigmoid` saved its result
features.mul_(2)  #~ error[GS106]: `features`, a view of what `sigmoid` saved
features.sum().backward()
