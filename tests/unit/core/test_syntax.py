"""What may be reworded without becoming another behaviour, and what may not."""

from __future__ import annotations

import ast
import textwrap

import pytest

from benchmark.core.fingerprint import fingerprint
from benchmark.core.syntax import canonical, plain_classes

PLUGIN = '''
"""A module."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from benchmark import Card, Defense


@dataclass(frozen=True)
class State:
    """A state."""

    scale: float = 1.0


class Mine(Defense):
    """A defense."""

    card = Card(title="Mine", notes="Old words.")

    class Config(Defense.Config):
        """Options."""

        weight: float = 1.0
        """Weight of it."""

    config: Config

    def training_step(self, step: object) -> Tensor:
        """Return a loss."""
        # halves
        half: float = 0.5
        return step.retrieval_loss(step.images) * half * math.pi
'''


IMPORTS = "import math\nfrom dataclasses import dataclass\n"


def meaning(source: str) -> str:
    tree = ast.parse(textwrap.dedent(source))
    return fingerprint({"code": canonical(tree, plain_classes([tree]))})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# halves", "# a comment in other words"),
        ('"""Return a loss."""', '"""Return the loss."""'),
        ('"""Return a loss."""', ""),
        ('        """Weight of it."""\n', ""),
        ('"""A module."""', '"""Another text."""'),
        ("(self, step: object) -> Tensor:", "(self, step):"),
        ("half: float = 0.5", "half = 0.5"),
        ("    config: Config\n", ""),
        ('notes="Old words."', "notes='New words.', paper='A paper'"),
        ("    card = Card(", "    card: ClassVar[Card] = Card("),
        ("from torch import Tensor\n", ""),
        ("from __future__ import annotations\n", ""),
        (IMPORTS, "from dataclasses import dataclass\nimport math\n"),
        ("import math\n", "import math\nfrom collections.abc import Sequence\n"),
        ("import math\n", "import math\nif TYPE_CHECKING:\n    from x import Y\n"),
        (
            "from benchmark import Card, Defense",
            "from benchmark import (\n    Defense,\n    Card,\n)",
        ),
        ("step.images) * half", "step.images\n        ) * half"),
        ("return step", "pass\n        return step"),
    ],
)
def test_words_and_form_do_not_count(old: str, new: str) -> None:
    assert old in PLUGIN
    assert meaning(PLUGIN.replace(old, new)) == meaning(PLUGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("half: float = 0.5", "half: float = 0.25"),
        ("* half", "/ half"),
        ("* math.pi", ""),
        ("weight: float = 1.0", "weight: float = 2.0"),
        ("weight: float = 1.0", "weight: Annotated[float, AfterValidator(abs)] = 1.0"),
        ("scale: float = 1.0", "scale: ClassVar[float] = 1.0"),
        ("frozen=True", "frozen=False"),
        ("step.images)", "step.images, 'text')"),
        ("class Mine(Defense)", "class Mine(Other)"),
        ("import math\n", "import cmath as math\n"),
        ("import math\n", "import math\nimport a_helper_with_side_effects\n"),
        ("    def training_step", "    @validate_call\n    def training_step"),
        ("* math.pi", "* len(self.__doc__)"),
        ("* half", "* 1"),
        ("* half", "* True"),
    ],
)
def test_logic_counts(old: str, new: str) -> None:
    assert old in PLUGIN
    assert meaning(PLUGIN.replace(old, new)) != meaning(PLUGIN)


def test_one_and_true_are_two_things() -> None:
    assert meaning("x = 1") != meaning("x = True") != meaning("x = 1.0")


def test_annotations_count_where_something_may_read_them() -> None:
    coerced = "@validate_call\ndef f(x: {}): return x"
    assert meaning(coerced.format("int")) != meaning(coerced.format("str"))
    reads = "def f(x: {}): return x\nhints = f.__annotations__"
    assert meaning(reads.format("int")) != meaning(reads.format("str"))
    told = '"""{}"""\nprint(__doc__)'
    assert meaning(told.format("a")) != meaning(told.format("b"))


def test_a_card_counts_where_it_is_read() -> None:
    text = "class A(Defense):\n    card = Card(title='{}')\n    def f(self): return self.card.title"
    assert meaning(text.format("a")) != meaning(text.format("b"))


def test_order_of_imports_counts_where_they_bind_one_name() -> None:
    assert meaning("from a import x\nfrom b import x") != meaning(
        "from b import x\nfrom a import x"
    )
    assert meaning("from a import *\nfrom b import *") != meaning(
        "from b import *\nfrom a import *"
    )


def test_the_form_is_that_of_every_version_of_python() -> None:
    """The hash was computed with 3.11, 3.12 and 3.13."""
    text = 'def f(x, /, *a, k=1, **b):\n    return f"{x!r:>{k}} {{}} a" "b" f"{a}"\n\n'
    text += "class C: x: int = 2\n"
    assert meaning(text)[:16] == "f02d57a78fd7bbce"
