"""`noongil models`: what is known of the models worth knowing, before one is downloaded."""

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from app.commands.arguments import AsJson
from app.console import print_json
from models.model_cards import ModelCard, Quality, all_cards

_NAMES = {"ko": "Korean", "en": "English"}


def list_models(*, as_json: AsJson = False) -> None:
    """Models to choose from: size, licence, and published figures in Korean and English."""
    if as_json:
        print_json([_as_dict(card) for card in all_cards()])
    else:
        _print_cards(all_cards())


def _print_cards(cards: tuple[ModelCard, ...]) -> None:
    """To standard output, a few lines a model: a table of so much is too wide to read."""
    console = Console(highlight=False)
    for card in cards:
        role = f"  ({card.role})" if card.role else ""
        console.print(f"[bold]{escape(card.spec)}[/bold]{role}", soft_wrap=True)
        for line in (_size(card), *map(_figures, card.quality), card.advice):
            console.print(f"    {line}", markup=False, soft_wrap=True)


def _as_dict(card: ModelCard) -> dict[str, object]:
    memory = {precision: card.memory(precision) for precision in ("fp32", "bf16")}
    return asdict(card) | {"memory_gb": memory, "non_commercial": card.non_commercial}


def _size(card: ModelCard) -> str:
    parts = [f"{card.dim} dimensions", f"{card.image_size} px"]
    if card.parameters:
        wide, narrow = card.memory("fp32"), card.memory("bf16")
        parts.append(f"{card.parameters} M parameters: {wide:.1f} GB, in bf16 {narrow:.1f} GB")
    parts += [card.licence, " and ".join(_NAMES[language] for language in card.languages)]
    return " · ".join(parts)


def _figures(quality: Quality) -> str:
    known = [("ko", quality.ko), ("en", quality.en)]
    figures = ", ".join(f"{name} {value:g}" for name, value in known if value is not None)
    return f"{quality.benchmark}, {quality.metric}: {figures} ({quality.source})"
