"""From a person and a moment of the walk to the parts of a body."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmark.data.synthped.geometry import Role, Solid, Vector
from benchmark.data.synthped.identity import BARE_LEGS, Identity


@dataclass(frozen=True)
class Pose:
    """A moment of the walk.

    Attributes:
        phase: Phase of the step, radians.
        pace: Share of the full stride; 0 stands still.
        arm: Extra bend of the elbows, radians.
        lean: Sideways lean of the upper body, metres at the shoulders.
    """

    phase: float
    pace: float
    arm: float
    lean: float


def _sin(angle: float) -> float:
    return round(math.sin(angle), 6)


def _down(start: Vector, length: float, angle: float, aside: float = 0.0) -> Vector:
    """Return the end of a limb that hangs from `start`, swung forward by `angle`."""
    drop = round(math.cos(angle), 6)
    return (start[0] + aside, start[1] - length * drop, start[2] + length * _sin(angle))


def _legs(person: Identity, pose: Pose) -> list[Solid]:
    g, parts = person.girth, []
    wide = {"wide": 1.3, "jeans": 0.96}.get(person.lower, 1.05)
    cloth = person.lower_colour
    for side, sign in ((-1, 1), (1, -1)):
        swing = person.stride * pose.pace * _sin(pose.phase) * sign
        lift = max(0.0, _sin(pose.phase + 1.57 * sign)) * pose.pace
        hip = (side * 0.088 * person.hips, 0.90, 0.0)
        knee = _down(hip, 0.42, swing)
        ankle = _down(knee, 0.40, swing - 0.12 * pose.pace - 0.65 * lift)
        toe = (ankle[0] + side * 0.02, ankle[1] - 0.035, ankle[2] + 0.15)
        thigh_cut = min(2.0, person.hem * 2) if person.lower in BARE_LEGS else 2.0
        bare = person.lower in BARE_LEGS
        parts.append(
            Solid(hip, knee, 0.086 * g * wide, 0.060 * g * wide, cloth, Role.LEG,
                 thigh_cut, person.skin)
        )  # fmt: skip
        shin = person.skin if bare else cloth
        flare = 0.074 if person.lower == "wide" else 0.043
        parts.append(
            Solid(knee, ankle, 0.058 * g * wide, flare * g * wide, shin,
                 Role.PLAIN if bare else Role.LEG,
                 0.5 if person.boots else 2.0, person.shoe)
        )  # fmt: skip
        heel = (ankle[0], ankle[1] - 0.03, ankle[2] - 0.01)
        parts.append(Solid(heel, toe, 0.048, 0.036, person.shoe, Role.FOOT))
    return parts


def _arms(person: Identity, pose: Pose) -> list[Solid]:
    g, parts = person.girth, []
    thick = {"puffer": 1.4, "coat": 1.2, "hoodie": 1.2, "jacket": 1.12}.get(person.upper, 1.0)
    sleeve = person.upper_second if person.pattern == "raglan" else person.upper_colour
    for side, sign in ((-1, -1), (1, 1)):
        swing = person.stride * pose.pace * 1.1 * _sin(pose.phase) * sign
        shoulder = (side * 0.185 * person.shoulders * (0.7 + 0.3 * g) + pose.lean, 1.41, 0.0)
        elbow = _down(shoulder, 0.28, swing - 0.05, side * 0.045)
        wrist = _down(elbow, 0.25, swing + 0.22 + pose.arm * (1 if sign > 0 else 0.6))
        hand = (wrist[0], wrist[1] - 0.05, wrist[2] + 0.012)
        share = person.sleeve * 2
        upper, lower = (sleeve if share > 0 else person.skin), person.skin
        if share > 1:
            lower = sleeve
        parts.append(
            Solid(shoulder, elbow, 0.056 * g * thick, 0.045 * g * thick, upper, Role.SLEEVE,
                 share if share < 1 else 2.0, person.skin)
        )  # fmt: skip
        parts.append(
            Solid(elbow, wrist, 0.043 * g * thick, 0.033 * thick, lower, Role.SLEEVE,
                 share - 1 if share > 1 else 2.0, person.skin)
        )  # fmt: skip
        parts.append(Solid(wrist, hand, 0.032, 0.036, person.skin))
    return parts


def _trunk(person: Identity, pose: Pose) -> list[Solid]:
    g = person.girth
    bulk = {"puffer": 1.2, "coat": 1.08, "hoodie": 1.08, "jacket": 1.05}.get(person.upper, 1.0)
    top, lean = person.upper_colour, pose.lean
    chest = (lean * 0.9, 1.335, 0.0)
    waist = (lean * 0.4, 1.06, 0.0)
    wide = 0.15 * person.shoulders * (0.6 + 0.4 * g) * bulk
    span = 0.125 * person.shoulders
    parts = [
        Solid(chest, waist, wide, 0.128 * g * bulk, top, Role.TORSO, depth=0.66),
        Solid((lean - span, 1.415, 0.0), (lean + span, 1.415, 0.0), 0.066 * bulk, 0.066 * bulk,
             person.upper_second if person.pattern == "raglan" else top, Role.TORSO, depth=0.95),
        Solid((lean * 0.3, 0.985, 0.0), (0.0, 0.90, 0.0), 0.132 * g * person.hips,
             0.142 * g * person.hips, person.lower_colour, depth=0.74),
    ]  # fmt: skip
    if person.upper in ("jacket", "hoodie", "puffer", "tee", "shirt", "tank"):
        hem = 0.90 if person.upper in ("jacket", "hoodie", "puffer") else 0.94
        parts.append(
            Solid(waist, (0.0, hem, 0.0), 0.130 * g * bulk, 0.152 * g * person.hips * bulk, top,
                 Role.TORSO, depth=0.76, hem=True)
        )  # fmt: skip
    if person.upper == "coat":
        parts.append(
            Solid((0.0, 1.04, 0.0), (0.0, 0.60, 0.0), 0.140 * g, 0.185 * g, top, Role.CLOTH,
                 depth=0.80, hem=True)
        )  # fmt: skip
    elif person.lower == "skirt":
        end = 0.90 - 0.72 * person.hem
        parts.append(
            Solid((0.0, 1.00, 0.0), (0.0, end, 0.0), 0.128 * g, (0.15 + 0.08 * person.hem) * g,
                 person.lower_colour, Role.CLOTH, depth=0.84, hem=True)
        )  # fmt: skip
    return parts


def _head(person: Identity, pose: Pose) -> list[Solid]:
    x, z = pose.lean * 1.1, 0.01 + person.stoop
    parts = [
        Solid((x * 0.9, 1.44, 0.0), (x, 1.55, z * 0.6), 0.055, 0.052, person.skin),
        Solid((x, 1.600, z + 0.012), (x, 1.665, z), 0.076, 0.094, person.skin, Role.HEAD,
             depth=1.1),
    ]  # fmt: skip
    back = z - 0.07
    if person.hair_style == "bob":
        parts.append(Solid((x, 1.66, back + 0.02), (x, 1.55, back + 0.02), 0.1, 0.088, person.hair))
    elif person.hair_style == "long":
        parts.append(Solid((x, 1.65, back + 0.01), (x, 1.38, back - 0.035), 0.1, 0.08, person.hair))
    elif person.hair_style == "bun":
        parts.append(Solid((x, 1.72, back - 0.03), (x, 1.73, back - 0.03), 0.05, 0.05, person.hair))
    elif person.hair_style == "tail":
        parts.append(Solid((x, 1.68, back - 0.04), (x, 1.46, back - 0.07), 0.04, 0.03, person.hair))
    crown, hat = (x, 1.69, z - 0.008), person.hat_colour
    if person.hat == "beanie":
        parts.append(Solid(crown, (x, 1.745, z - 0.015), 0.103, 0.075, hat))
    elif person.hat == "cap":
        parts.append(Solid(crown, (x, 1.71, z - 0.01), 0.102, 0.092, hat))
        parts.append(Solid((x, 1.705, z + 0.07), (x, 1.695, z + 0.15), 0.06, 0.05, hat, depth=0.8))
    elif person.hat == "sunhat":
        parts.append(Solid(crown, (x, 1.74, z), 0.10, 0.085, hat))
        for reach in (-0.1, 0.1):
            parts.append(Solid((x, 1.70, z - 0.1), (x + reach, 1.70, z + 0.1), 0.06, 0.06, hat))
    elif person.hat == "hood":
        cowl = person.upper_colour
        parts.append(Solid((x, 1.68, z - 0.03), (x, 1.56, z - 0.05), 0.118, 0.112, cowl))
    if person.scarf:
        loop = (x * 0.9, 1.485, 0.01)
        parts.append(Solid(loop, (x, 1.52, 0.02), 0.098, 0.085, person.scarf))
        parts.append(
            Solid((x + 0.05, 1.46, 0.10), (x + 0.06, 1.20, 0.115), 0.04, 0.045, person.scarf,
                 depth=0.9)
        )  # fmt: skip
    if person.upper == "hoodie" and person.hat != "hood":
        parts.append(
            Solid((x - 0.05, 1.47, -0.08), (x + 0.05, 1.47, -0.08), 0.07, 0.07, person.upper_colour)
        )
    return parts


def _carried(person: Identity, pose: Pose) -> list[Solid]:
    colour, lean, g = person.bag_colour, pose.lean, person.girth
    if person.bag == "backpack":
        z = -0.15 * (0.6 + 0.4 * g)
        return [
            Solid((lean * 0.9, 1.36, z), (lean * 0.5, 1.10, z - 0.03), 0.125, 0.14, colour,
                 Role.CLOTH, depth=0.75),
        ]  # fmt: skip
    if person.bag == "handbag":
        x = person.bag_side * (0.235 * person.hips * (0.5 + 0.5 * g))
        return [
            Solid((x, 0.98, -0.06), (x, 0.98, 0.08), 0.085, 0.085, colour),
            Solid((x, 0.90, -0.08), (x, 0.90, 0.10), 0.075, 0.075, colour),
        ]
    return []


def _scaled(part: Solid, factor: float, drop: float) -> Solid:
    a, b = part.a, part.b
    return part._replace(
        a=(round(a[0], 6), round((a[1] - drop) * factor, 6), round(a[2], 6)),
        b=(round(b[0], 6), round((b[1] - drop) * factor, 6), round(b[2], 6)),
    )


def body_parts(person: Identity, pose: Pose) -> list[Solid]:
    """Build the body of `person` in `pose`, standing on y = 0 and facing z.

    Returns:
        About 18 to 26 parts, in metres.
    """
    legs = _legs(person, pose)
    parts = legs + _arms(person, pose) + _trunk(person, pose)
    parts += _head(person, pose) + _carried(person, pose)
    drop = min(part.b[1] - part.radius_b for part in legs if part.role == Role.FOOT)
    return [_scaled(part, person.height, drop) for part in parts]
