"""Muon: momentum whose update is made orthogonal, for the matrices inside the towers.

A convolution's weight counts as the matrix [out, in x 3 x 3].

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the factor
0.2 sqrt(max(rows, columns)), which lets it share AdamW's learning rate and decay, is from Liu et al. 2025,
"Muon is scalable for LLM training", eq. 4.
"""
import torch

import loop


def orthogonal(g):
    """float32 [n, rows, columns] -> the same with singular values near 1: five Newton-Schulz steps.

    A step multiplies x by a polynomial p of s = x x^T, and s by p twice; so the steps are taken on s, which is small, and
    their product meets x once.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    s, product = torch.bmm(x, x.transpose(1, 2)), None
    for _ in range(5):
        p = a * torch.eye(s.shape[1]) + b * s + c * torch.bmm(s, s)
        product = p if product is None else torch.bmm(p, product)
        s = torch.bmm(torch.bmm(p, s), p)
    x = torch.bmm(product, x)
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Matrices of one shape are treated together."""

    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.05):
        shapes = {}
        for p in matrices:
            shapes.setdefault(tuple(p.shape), []).append(p)
        super().__init__([{"params": ps} for ps in shapes.values()],
                         {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            updates = []
            for p in group["params"]:
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                updates.append(p.grad.lerp(m, group["momentum"]).flatten(1))
            parts = loop.workers.map(orthogonal, torch.stack(updates).chunk(loop.WORKERS))
            for p, u in zip(group["params"], torch.cat(list(parts))):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(u.view_as(p), alpha=-group["lr"] * 0.2 * max(u.shape) ** 0.5)


class Optimiser:
    """Muon for the matrices inside the towers, AdamW for everything else; one learning rate for both."""

    def __init__(self, named, lr):
        """named: [(name, parameter)]; matrices inside are those of a `layers` or `stages` list."""
        inside = [p for n, p in named if p.dim() > 1 and (".layers." in n or "stages." in n)]
        hidden = set(map(id, inside))
        self.parameters = [p for _, p in named]
        others = [p for p in self.parameters if id(p) not in hidden]
        self.lr = lr
        self.parts = [Muon(inside, lr), torch.optim.AdamW(
            [{"params": [p for p in others if p.dim() > 1], "weight_decay": 0.05},
             {"params": [p for p in others if p.dim() < 2], "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.98))]

    def step(self, loss, share):
        """One step down the loss's gradient (clipped to length 1) at that share of the peak learning rate."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)
            for group in part.param_groups:
                group["lr"] = self.lr * share
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for part in self.parts:
            part.step()
