"""CLIP as Hugging Face's CLIPModel computes it, small enough to train on a CPU.

Parameter names are those of transformers' modeling_clip.py (its misspelt `pre_layrnorm` included), so
state_dict() is the checkpoint. Activation is quick_gelu, layer_norm_eps 1e-5. Source of the
architecture: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, mask):
        """x [n, t, width]; mask [t, t] added to the scores, or None."""
        n, t, width = x.shape
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        bias = torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias])
        q, k, v = (F.linear(x, weight, bias).view(n, t, 3, self.heads, width // self.heads)
                   .permute(2, 0, 3, 1, 4).reshape(3, n * self.heads, t, width // self.heads))
        scores = torch.bmm(q * (width // self.heads) ** -0.5, k.transpose(1, 2))
        if mask is not None:
            scores = scores + mask.to(scores.dtype)
        mixed = torch.bmm(scores.softmax(-1).to(v.dtype), v)
        return self.out_proj(mixed.view(n, self.heads, t, -1).transpose(1, 2).reshape(n, t, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        # quick_gelu(x) = x sigmoid(1.702 x) = silu(1.702 x) / 1.702; the factors go into the weights,
        # so that PyTorch's fused silu serves (a fifth of the step's time saved).
        x = F.silu(F.linear(x, self.fc1.weight * 1.702, self.fc1.bias * 1.702))
        return F.linear(x, self.fc2.weight / 1.702, self.fc2.bias)


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.self_attn, self.mlp = Attention(width, heads), Mlp(width)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, mask, counts=None):
        """counts float [n, 2]: what the two halves are multiplied by, or None for 1."""
        count = lambda half, y: y if counts is None else counts[:, half, None, None] * y
        x = x + count(0, self.self_attn(self.layer_norm1(x), mask))
        return x + count(1, self.mlp(self.layer_norm2(x)))


class Encoder(nn.Module):
    def __init__(self, width, heads, layers):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))

    def forward(self, x, mask=None, counts=None):
        """counts float [n, layers, 2], see Layer -> the states after each layer."""
        states = []
        for i, layer in enumerate(self.layers):
            x = layer(x, mask, None if counts is None else counts[:, i])
            states.append(x)
        return states


class TextEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token_embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.position_embedding = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])


class TextModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.eos = c["eos_token_id"]
        self.embeddings = TextEmbeddings(c)
        self.encoder = Encoder(c["hidden_size"], c["num_attention_heads"], c["num_hidden_layers"])
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"])

    def forward(self, ids):
        """ids int64 [n, t], padded with the end token -> [n, width], the state at the first end token."""
        t = ids.shape[1]
        x = self.embeddings.token_embedding(ids) + self.embeddings.position_embedding.weight[:t]
        x = self.encoder(x, torch.full((t, t), -1e9).triu(1))[-1]
        end = (ids == self.eos).int().argmax(1)
        return self.final_layer_norm(x[torch.arange(len(x)), end].float())


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, patch = c["hidden_size"], c["patch_size"]
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding((c["image_size"] // patch) ** 2 + 1, width)


class VisionModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.patch = c["patch_size"]
        self.embeddings = VisionEmbeddings(c)
        # The misspelling is the checkpoint format's.
        self.pre_layrnorm = nn.LayerNorm(c["hidden_size"])
        self.encoder = Encoder(c["hidden_size"], c["num_attention_heads"], c["num_hidden_layers"])
        self.post_layernorm = nn.LayerNorm(c["hidden_size"])

    def forward(self, pixels, keep=None, counts=None):
        """pixels [n, 3, S, S] -> [n, width], and the states after each layer [n, 1 + k, width], class token first.

        keep int64 [n, k]: the patches not dropped, or None for all; counts: the encoder's.
        """
        e, p = self.embeddings, self.patch
        n, _, s, _ = pixels.shape
        g = s // p
        patches = pixels.view(n, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, 3 * p * p)
        position = e.position_embedding.weight[1:].expand(n, -1, -1)
        if keep is not None:
            patches = patches.gather(1, keep[:, :, None].expand(-1, -1, patches.shape[2]))
            position = e.position_embedding.weight[1:][keep]
        x = F.linear(patches, e.patch_embedding.weight.flatten(1)) + position
        first = (e.class_embedding + e.position_embedding.weight[0]).expand(n, 1, -1)
        states = self.encoder(self.pre_layrnorm(torch.cat([first.to(x.dtype), x], 1)), counts=counts)
        return self.post_layernorm(states[-1][:, 0].float()), states


class Clip(nn.Module):
    def __init__(self, config):
        super().__init__()
        text, vision, dim = config["text_config"], config["vision_config"], config["projection_dim"]
        self.text_model, self.vision_model = TextModel(text), VisionModel(vision)
        self.visual_projection = nn.Linear(vision["hidden_size"], dim, bias=False)
        self.text_projection = nn.Linear(text["hidden_size"], dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.initialise(config)

    def initialise(self, config):
        """OpenAI CLIP's initialize_parameters: residual branches shrink with depth."""
        for name, p in self.named_parameters():
            if p.dim() < 2:
                continue
            c = config["text_config" if name.startswith("text") else "vision_config"]
            width, depth = c["hidden_size"], c["num_hidden_layers"]
            std = width ** -0.5
            if "out_proj" in name or "fc2" in name:
                std *= (2 * depth) ** -0.5
            elif "fc1" in name:
                std = (2 * width) ** -0.5
            elif "token_embedding" in name:
                std = 0.02
            elif "position_embedding" in name:
                std = 0.01
            elif "patch_embedding" in name:
                std = (p[0].numel()) ** -0.5
            nn.init.normal_(p, std=std)
        nn.init.normal_(self.vision_model.embeddings.class_embedding, std=0.02)
        for name, p in self.named_parameters():
            if name.endswith("proj.bias") or ".fc" in name and name.endswith("bias"):
                nn.init.zeros_(p)

    def embed_pictures(self, pixels, keep=None, counts=None):
        """float32 [n, 3, S, S], normalised -> float32 [n, dim], unit length."""
        return F.normalize(self.visual_projection(self.vision_model(pixels, keep, counts)[0]).float(), dim=-1)

    def embed_texts(self, ids):
        """int64 [n, t] -> float32 [n, dim], unit length."""
        return F.normalize(self.text_projection(self.text_model(ids)).float(), dim=-1)


def vision_tower(clip):
    """-> the vision tower's parameters with their names."""
    return [(n, p) for n, p in clip.named_parameters() if n.startswith(("vision_model.", "visual_projection."))]


def text_tower(clip):
    """-> the text tower's parameters with their names."""
    return [(n, p) for n, p in clip.named_parameters() if n.startswith(("text_model.", "text_projection."))]


def config(vocabulary, width=192, vision_layers=6, text_layers=4, heads=3, image=64, patch=8, positions=32, dim=256):
    """config.json as transformers writes it, the two special tokens last in the vocabulary."""
    shared = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "projection_dim": dim,
              "hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": heads}
    return {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": dim,
        "logit_scale_init_value": 2.6592,
        "text_config": {**shared, "model_type": "clip_text_model", "vocab_size": vocabulary,
                        "num_hidden_layers": text_layers, "max_position_embeddings": positions,
                        "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1,
                        "pad_token_id": vocabulary - 1},
        "vision_config": {**shared, "model_type": "clip_vision_model", "num_hidden_layers": vision_layers,
                          "image_size": image, "patch_size": patch, "num_channels": 3},
    }
