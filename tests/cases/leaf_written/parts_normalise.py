"""Input normalisation."""


class Normalise:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, image):
        image.sub_(self.mean)  #~ error[GS201]: in-place `sub_` was refused
        return image.div_(self.std)
