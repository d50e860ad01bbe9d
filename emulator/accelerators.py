"""What a replica gets for the accelerators that its job asks for: real ones, or a stub."""

from typing import Literal

import msgspec

from emulator.accelerator_stubs import TPU_NODE_VARIABLE, gpu_variables, tpu_variables
from emulator.cluster import Bind
from emulator.plan import MASTER, Member, Plan
from emulator.runners import Abilities
from emulator.shipped import ACCELERATORS

Policy = Literal["auto", "stub", "require"]


class Equipment(msgspec.Struct, frozen=True):
    """``gpus`` are real devices; the rest makes the stubs known to a managed image's Python."""

    gpus: int = 0
    variables: dict[str, str] = {}
    binds: tuple[Bind, ...] = ()
    python_path: tuple[str, ...] = ()


def equipment(plan: Plan, member: Member, abilities: Abilities, policy: Policy) -> Equipment:
    """What this member of a job gets."""
    real = _are_real(plan, abilities, policy)
    gpus = member.gpu.count if member.gpu and real else 0
    stubs: dict[str, str] = {}
    if member.gpu and not real:
        stubs |= gpu_variables(member.gpu.type, member.gpu.count)
    if plan.tpu and member.task == MASTER:
        node = member.host.replace("-master-", "-tpu-")
        stubs |= tpu_variables(plan.tpu.type, plan.tpu.count, node)
    if not stubs or member.image:  # nothing is forced on a user's own image
        named = {name: stubs[name] for name in stubs if name == TPU_NODE_VARIABLE}
        return Equipment(gpus, named)
    folder = str(ACCELERATORS)
    return Equipment(gpus, stubs, (Bind(folder, folder),), (folder,))


def refusal(plan: Plan, abilities: Abilities, policy: Policy) -> str | None:
    """Why a job cannot have the GPUs that it asks for, where real ones are required."""
    if policy != "require" or plan.gpus <= abilities.gpus:
        return None
    return (
        f"The job asks for {plan.gpus} GPUs, this emulator's runner has {abilities.gpus}, and it "
        "was told to accept no other (--gpu require). Start it with --gpu auto to run the job on "
        "CPUs that pass for GPUs, or choose a machine type without accelerators."
    )


def warnings(plan: Plan, abilities: Abilities, policy: Policy) -> list[str]:
    """What the log of a job says about accelerators that are not real."""
    found = []
    own = " The job's own image is left as it is: there, it sees none." if plan.images else ""
    if plan.gpus and not _are_real(plan, abilities, policy):
        kinds = ", ".join(sorted({member.gpu.type for member in plan.members if member.gpu}))
        found.append(
            f"The GPUs of this job ({kinds}) are a stub: it runs on CPUs, with TensorFlow placing "
            "operations as if they were there. Speed, memory and CUDA's own libraries are not "
            f"those of a GPU.{own}"
        )
    if plan.tpu:
        found.append(
            f"The TPU of this job ({plan.tpu.type}, {plan.tpu.count} cores) is a stub: its cores "
            "are CPUs of this machine. What TensorFlow checks for a TPU is checked; speed, "
            f"memory and the TPU's own compiler are not there.{own}"
        )
    return found


def _are_real(plan: Plan, abilities: Abilities, policy: Policy) -> bool:
    return policy != "stub" and 0 < plan.gpus <= abilities.gpus
