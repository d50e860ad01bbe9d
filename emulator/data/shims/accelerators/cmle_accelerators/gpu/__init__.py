"""GPUs that are listed, named and placed on as on the tier, while the CPU does the work."""

import logging


def install(accelerator, sessions):
    """``sessions``: whether this is TensorFlow 1, which refuses unknown devices in a Session."""
    from cmle_accelerators.gpu import devices, placement, reductions
    from cmle_accelerators.gpu.cards import Cards

    cards = Cards(accelerator)
    devices.install(cards)
    placement.install(cards, sessions)
    reductions.install()
    if sessions:
        from cmle_accelerators.gpu import sessions as session_rules

        session_rules.install(cards)
    else:
        from cmle_accelerators import device_iterators

        device_iterators.install()
    logging.getLogger("cmle.gpu").warning(
        "This machine has no GPU for the job: %d %s emulated on the CPU. TensorFlow lists and "
        "accepts them; CUDA, cuDNN, nvidia-smi, memory limits and speed are not there.",
        accelerator.count,
        accelerator.type + (" is" if accelerator.count == 1 else " are"),
    )
