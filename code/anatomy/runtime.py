"""Where computation runs and where randomness comes from.

Only this module chooses a device or a precision. Everything else follows the
device of the tensors it is given.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import torch
from torch import Tensor, nn

DEVICE_VARIABLE = "ANATOMY_DEVICE"


def choose_device(name: str | None = None) -> torch.device:
    """Return the device to run on: `name`, else $ANATOMY_DEVICE, else cuda, mps or cpu.

    Raises ValueError for a name that torch does not know and RuntimeError for a
    device that this machine does not have.
    """
    name = name or os.environ.get(DEVICE_VARIABLE) or "auto"
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in available.items() if present))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in available:
        raise ValueError(
            f"unknown device {name!r}: use 'auto', 'cuda', 'cuda:1', 'mps' or 'cpu' "
            f"(as an argument or in ${DEVICE_VARIABLE})"
        )
    if not available[device.type] or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        present = ", ".join(kind for kind, there in available.items() if there)
        raise RuntimeError(f"device {name!r} is not on this machine; it has: {present}")
    return device


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a random generator with its own stream, independent of the global one.

    CPU and GPU generators with the same seed draw different numbers.
    """
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Seed the global generator for the weights made inside, and restore it afterwards.

    torch's initialisers draw from the global generator; this is the one place
    that touches it:

        with initial_weights(seed):
            policy = CategoricalActorCritic(4, 2)
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


@cache
def _cpu_has_bf16() -> bool:
    """Whether the processor has a matrix unit for bfloat16 (Intel's AMX).

    AVX-512 has bfloat16 instructions too, but products made of them are half as fast
    as in float32 (measured, and in the benchmarks page): they do not count.
    """
    has = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return bool(has())


def half_precision(device: torch.device | str) -> torch.dtype | None:
    """Return bfloat16 where `device` multiplies it faster than float32, else None."""
    kind = torch.device(device).type
    if kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if kind == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return None


def autocast(device: torch.device | str, *, enabled: bool = True) -> AbstractContextManager[None]:
    """Run matrix products in bfloat16 where the device has it; change nothing elsewhere."""
    dtype = half_precision(device) if enabled else None
    if dtype is None:
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=dtype)


@contextmanager
def distributed(device: torch.device | str = "cpu") -> Iterator[tuple[int, int]]:
    """Join the processes that `torchrun` started; yield this one's rank and how many there are.

        torchrun --nproc_per_node=2 pretrain.py

    Started without torchrun, a program is alone: (0, 1), and nothing is joined.
    The processes talk through nccl between GPUs and through gloo otherwise.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield 0, 1
        return
    group = torch.distributed
    group.init_process_group("nccl" if torch.device(device).type == "cuda" else "gloo")
    try:
        yield group.get_rank(), group.get_world_size()
    finally:
        group.destroy_process_group()


def replicate(module: nn.Module) -> nn.Module:
    """Return `module` so wrapped that its gradients are averaged over all processes.

    With equal shares of a batch in each process, they are those of the whole batch.
    Inside `distributed` this is PyTorch's DistributedDataParallel; alone, `module` itself.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return module
    return nn.parallel.DistributedDataParallel(module)


def shard(module: nn.Module, parts: Iterable[nn.Module], *, methods: Iterable[str] = ()) -> None:
    """Spread the weights, gradients and optimizer states of `module` over all processes, in place.

    Inside `distributed`. Each process keeps a share; what one of `parts` needs (the
    blocks of a transformer, say) is gathered when it runs and let go afterwards.
    Gradients are averaged as by `replicate`. `methods` names what is called besides
    `forward`. PyTorch's fully_shard; Rajbhandari et al. (2020), ZeRO stage 3.
    """
    from torch.distributed import fsdp

    for part in parts:
        fsdp.fully_shard(part)
    fsdp.fully_shard(module)
    for name in methods:
        fsdp.register_fsdp_forward_method(module, name)


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Hold all weights of a sharded `module` whole inside the block: once, not once per call.

    For sampling, which runs the model once for every token. An unsharded module stays as it is.
    """
    if not torch.distributed.is_available():
        yield
        return
    from torch.distributed.fsdp import FSDPModule

    parts = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.unshard()
        part.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale gradients down to a norm of at most `max_norm`; return the norm before, a scalar.

    The norm is that of the whole model, also where each process holds a share of it.
    """
    norm = nn.utils.clip_grad_norm_(parameters, max_norm)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


@contextmanager
def deterministic() -> Iterator[None]:
    """Use only kernels whose result does not depend on scheduling, inside the block.

    An operation without such a kernel raises RuntimeError instead of quietly
    varying. On a GPU, cuBLAS needs CUBLAS_WORKSPACE_CONFIG=:4096:8 set before
    the first product; it is set here when absent.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def require_shares(**shares: float) -> None:
    """Raise ValueError naming a share that does not lie in [0, 1]."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a share between 0 and 1, got {share}")


def require_same_device(**tensors: Tensor) -> torch.device:
    """Return the one device that all `tensors` share; raise ValueError naming those that differ."""
    devices = {tensor.device for tensor in tensors.values()}
    if len(devices) > 1:
        where = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(
            f"tensors on different devices: {where}; move them to one with .to(device)"
        )
    return devices.pop()


def require_same_shape(**tensors: Tensor) -> torch.Size:
    """Return the one shape that all `tensors` share; raise ValueError naming those that differ.

    Broadcasting a (B, 1) against a (B,) silently makes (B, B): the classic bug
    that no error message reports.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    shapes = {tensor.shape for tensor in tensors.values()}
    if len(shapes) > 1:
        which = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"shapes must be equal: {which}")
    require_same_device(**tensors)
    return shapes.pop()
