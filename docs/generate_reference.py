"""Write docs/reference/: every attack, defense, data set, backbone, flag, preset and option.

    .venv/bin/python docs/generate_reference.py

The words are those of the code: docstrings with equation and source, cards, options with defaults.
The pages are committed, so that they can be read where the repository is, and the site is built
without torch; a test says when they are out of date.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from reference_tables import command_page, option_table, run_keys, table

from benchmark.checks.flag_words import flag_words
from benchmark.checks.flags import FLAGS
from benchmark.cli.describe import describe_plugin
from benchmark.cli.kinds import registry_of
from benchmark.config.attack_groups import ATTACK_GROUPS
from benchmark.config.presets import preset_names, preset_text, read_layer

PROJECT = "reid-robustbench"
FOLDER = Path(__file__).with_name("reference")
HEAD = "<!-- docs/generate_reference.py wrote this page from the code; do not edit it. -->\n\n"
CARD = {"paper": "Paper", "claims": "Claim of its authors", "notes": "Published, and chosen"}
KNOWS = {
    "none": "nothing",
    "white": "everything (white box)",
    "transfer": "surrogates only (transfer)",
    "score": "scores (black box)",
    "decision": "rank lists (black box)",
}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    made = {
        "attacks.md": _attacks(),
        "defenses.md": _defenses(),
        "datasets.md": _datasets(),
        "backbones.md": _backbones(),
        "experiments.md": _experiments(),
        "flags.md": _flags(),
        "presets.md": _presets(),
        "options.md": command_page() + "\n\n" + run_keys(),
    }
    return {name: HEAD + text.strip() + "\n" for name, text in made.items()}


def _plugins(kind: str) -> Iterator[tuple[type[Any], dict[str, Any]]]:
    """Yield what this project registers; files and other packages may have registered more."""
    found = entry_points(group=f"reid_robustbench.{kind}")
    for name in sorted({one.name for one in found if one.dist and one.dist.name == PROJECT}):
        plugin = registry_of(kind).get(name)
        yield plugin, describe_plugin(kind, plugin)


def _section(
    plugin: type[Any],
    about: Mapping[str, Any],
    lines: Iterable[str],
    key: str,
    told: dict[str, str],
) -> str:
    """Return heading, docstrings, card and options of one plugin; `told` has the modules so far."""
    card, name = about["card"], about["name"]
    facts = [f"**{title}:** {card[part]}" for part, title in CARD.items() if card.get(part)]
    parts = [f"## `{name}`", inspect.cleandoc(plugin.__doc__ or "")]
    if plugin.__module__ in told:
        other = told[plugin.__module__]
        parts.append(f"What it has in common with others, equations too: [`{other}`](#{other}).")
    elif plugin.__module__.startswith(("attacks.", "defenses.")):
        told[plugin.__module__] = name
        parts += _equations(plugin)
    parts += [*lines, *facts, f"**Code:** `{plugin.__module__.replace('.', '/')}.py`"]
    if about["options"]:
        parts.append(option_table(about["options"], key))
    return "\n\n".join(part for part in parts if part)


def _equations(plugin: type[Any]) -> list[str]:
    """Return the docstring of its file, and those of its package that hold an equation."""
    own = Path(inspect.getfile(plugin))
    texts = [_docstring(own)]
    if own.parent.name not in ("attacks", "defenses"):
        others = (_docstring(path) for path in sorted(own.parent.glob("*.py")) if path != own)
        texts += [text for text in others if "\n    " in text]
    return [text for text in texts if "\n\n" in text]


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def _attacks() -> str:
    found = list(_plugins("attacks"))
    rows = [
        (f"[`{one['name']}`](#{one['name']})", one["summary"], KNOWS[one["threat"]["knowledge"]])
        for _, one in found
    ]
    groups = [(f"`{name}`", " ".join(f"`{one}`" for one in m)) for name, m in ATTACK_GROUPS.items()]
    sections: list[str] = []
    told: dict[str, str] = {}
    for plugin, about in found:
        threat = about["threat"]
        bound = "each pixel" if threat["norm"] == "linf" else "each node of a colour table"
        intents = ", ".join(sorted(getattr(plugin, "intents", ())))
        lines = [f"**Knows:** {KNOWS[threat['knowledge']]}. **ε bounds:** {bound}."]
        lines += [f"**Intents:** {intents}."] if intents else []
        sections.append(_section(plugin, about, lines, f"attack.{about['name']}.", told))
    return "\n\n".join(
        [
            "# Every attack",
            "How to choose among them: [Attacks](../attacks.md). What all of them obey: "
            "[The threat model](../threat-model.md).",
            table(("attack", "what it does", "knows"), rows),
            "Groups stand for lists of names: `--attack white transfer`.",
            table(("group", "members"), groups),
            *sections,
        ]
    )


def _defenses() -> str:
    found = [one for one in _plugins("defenses") if not one[1]["name"].startswith("broken-")]
    rows = [
        (f"[`{one['name']}`](#{one['name']})", one["summary"], one["card"].get("paper", ""))
        for _, one in found
    ]
    sections: list[str] = []
    told: dict[str, str] = {}
    for plugin, about in found:
        seen = ", ".join(f"`{name}`" for name in about.get("trained_against", ()))
        adaptive = plugin.adaptive
        hidden = [
            name.replace("_", " ")
            for name in ("random", "non_differentiable", "optimises_at_inference")
            if getattr(adaptive, name, False)
        ]
        lines = [f"**Trained against:** {seen}."] if seen else []
        lines += [f"**Attackers are told:** it is {', '.join(hidden)}."] if hidden else []
        sections.append(_section(plugin, about, lines, "defense.", told))
    head = ("defense", "what it does", "paper")
    note = (
        "Three more, `broken-…`, hide their gradient on purpose: [Checks](../checks.md). "
        "What each is worth: [Results](../results.md)."
    )
    return "\n\n".join(["# Every defense", note, table(head, rows), *sections])


def _datasets() -> str:
    sections = []
    for plugin, about in _plugins("datasets"):
        counts = [
            (split, f"{one.images:,}", one.identities, one.cameras)
            for split, one in plugin.published.items()
        ]
        lines = [f"**Asked for at:** {plugin.source}"] if plugin.source else []
        if plugin.folder_names:
            names = ", ".join(f"`{name}`" for name in plugin.folder_names)
            lines.append(f"**Usual folders:** {names}")
        lines += [f"**Restricted:** {plugin.restricted}"] if plugin.restricted else []
        if counts:
            lines.append(table(("published", "images", "identities", "cameras"), counts))
        sections.append(_section(plugin, about, lines, f"dataset_config.{about['name']}.", {}))
    note = "How a run finds them, and your own images: [Data](../data.md)."
    return "\n\n".join(["# Every data set", note, *sections])


def _backbones() -> str:
    sections = []
    for plugin, about in _plugins("backbones"):
        lines = [f"**Normalised with:** mean {plugin.mean}, standard deviation {plugin.std}."]
        sections.append(_section(plugin, about, lines, "backbone.", {}))
    note = "Sizes, cost, and how to write one: [Backbones](../backbones.md)."
    return "\n\n".join(["# Every backbone", note, *sections])


def _experiments() -> str:
    sections = [_section(p, about, (), "experiment.", {}) for p, about in _plugins("experiments")]
    note = "What they found, and how to write one: [Experiments](../experiments.md)."
    return "\n\n".join(["# Every experiment", note, *sections])


def _flags() -> str:
    words = flag_words()
    note = (
        "A flag says that a number cannot be trusted as it stands. It is in the record: in `flags` "
        "if it is about the encoder or several attacks, in `attacks[].flags` if about one. No flag "
        "is no proof of robustness. How the figures come about: [Checks](../checks.md). *Seen* was "
        "measured at 8/255: `none` and `metric-at` on `synthped-plaza` (preset `embedded`, seed "
        "0), the broken defenses on the canary. `query-without-match` is raised where data are "
        "read: no other camera saw the identity of a query, so it is left out of all averages."
    )
    rows = [(f"[`{flag.ID}`](#{flag.ID})", words[flag.ID][0]) for flag in FLAGS]
    return "\n\n".join(["# Every flag", note, table(("flag", "means"), rows), *map(_flag, FLAGS)])


def _flag(flag: Any) -> str:
    title, _, rest = inspect.cleandoc(flag.__doc__).partition("\n\n")
    lines: list[str] = []
    for line in rest.splitlines():
        if line.startswith("    "):
            lines[-1] += " " + line.strip()
        elif line:
            name, _, text = line.partition(": ")
            lines.append(f"- **{name}:** {text}")
    return "\n\n".join([f"## `{flag.ID}`", title, "\n".join(lines)])


def _presets() -> str:
    rows, sections = [], []
    for name in preset_names():
        about = read_layer(name)
        rows.append((f"[`{name}`](#{name})", about.get("description", "")))
        sections.append(f"## `{name}`\n\n```yaml\n{preset_text(name).strip()}\n```")
    note = "Which one a run takes: [Presets](../presets.md)."
    head = ("preset", "what it is for")
    return "\n\n".join(["# Every preset", note, table(head, rows), *sections])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text, "utf-8")
