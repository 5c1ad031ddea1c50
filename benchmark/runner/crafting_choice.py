"""Which precision attacks craft in, chosen once for a run by what its device has."""

from __future__ import annotations

from benchmark.config.schema import RunConfig
from benchmark.core.crafting_precision import has_tf32
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError


def with_crafting(config: RunConfig, policy: DevicePolicy) -> RunConfig:
    """Return the configuration with ``evaluation.crafting`` decided.

    Decided, it is part of the resolved configuration, from which the cells of a GPU run can be
    named on any machine.

    Raises:
        UsageError: TF32 was asked for, and the device has none.
    """
    if config.evaluation.crafting == "auto":
        chosen = "tf32" if has_tf32(policy.device) else "float32"
        evaluation = config.evaluation.model_copy(update={"crafting": chosen})
        return config.model_copy(update={"evaluation": evaluation})
    if config.executor == "local":  # nodes of a cluster may have what the driver has not
        check_crafting(config, policy)
    return config


def check_crafting(config: RunConfig, policy: DevicePolicy) -> None:
    """Refuse to craft in TF32 on a device that would compute in float32 and say nothing.

    Raises:
        UsageError: TF32 was decided, and the device has none.
    """
    if config.evaluation.crafting == "tf32" and not has_tf32(policy.device):
        raise UsageError(
            f"evaluation.crafting = tf32, and the device {policy.device.type} has no TF32",
            "use evaluation.crafting=auto, which takes what the device has, or float32",
        )
