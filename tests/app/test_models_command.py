"""`noongil models`: a choice is made on what it prints."""

import json

from typer.testing import CliRunner

from app.cli import cli
from models.model_cards import all_cards


def test_people_read_figures_with_their_source() -> None:
    ran = CliRunner().invoke(cli, ["models"])
    assert ran.exit_code == 0
    shown = ran.stdout.partition("open_clip:ViT-B-16-SigLIP2/webli  (default)")[2]
    size, figures, advice, following = shown.strip().splitlines()[:4]
    assert size.split(" · ") == [
        "768 dimensions",
        "224 px",
        "375 M parameters: 1.5 GB, in bf16 0.8 GB",
        "Apache-2.0",
        "Korean and English",
    ]
    assert "ko 70.3, en 75.2 (" in figures
    assert advice.strip()
    assert following.startswith("open_clip:")


def test_programs_read_every_card() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["models", "--json"]).stdout)
    assert [entry["spec"] for entry in listed] == [card.spec for card in all_cards()]
    by_spec = {entry["spec"]: entry for entry in listed}
    assert by_spec["koclip:base"]["languages"] == ["ko"]
    assert by_spec["koclip:base"]["quality"] == []  # none is published: none is shown
    assert by_spec["starter"]["memory_gb"] == {"fp32": None, "bf16": None}
    assert by_spec["open_clip:nllb-clip-large-siglip/mrl"]["non_commercial"] is True
