"""How the operation table of the installed torch is made and verified; `python -m gradsan.frameworks.torch.table`."""
