"""Where and in which precision to compute."""

import torch


def choose_device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_precision(asked: str, device: str) -> str:
    """``bf16`` where the processor multiplies in it; elsewhere it would be emulated, and several times slower."""
    if asked != "auto":
        return asked
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"
